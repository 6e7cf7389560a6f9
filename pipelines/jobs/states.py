"""The states of a job and of a step, in OpenAI's words, and the moves between them.

    queued ──► in_progress ──► completed
       │            ├────────► incomplete
       │            ├────────► failed ──► queued   (a replay)
       │            └────────► cancelled
       └──► cancelled, failed                       (before it ever ran)

A step moves likewise, and besides from `in_progress` back to `queued` when it is to be tried
again. A queued step is *ready* once its `ready_at` has come; without one it waits for the step,
or the turn, before it.
"""

from __future__ import annotations

from django.db import models

from pipelines.core.errors import Conflict


class JobState(models.TextChoices):
    """Where a job stands."""

    QUEUED = "queued", "Queued: accepted, no step has begun"
    IN_PROGRESS = "in_progress", "In progress: at least one step has begun"
    COMPLETED = "completed", "Completed: every step's effect is recorded"
    FAILED = "failed", "Failed: a dead letter, which can be replayed"
    CANCELLED = "cancelled", "Cancelled: ended by its owner or by staff"
    INCOMPLETE = "incomplete", "Incomplete: ended early with a part of the result"


class StepState(models.TextChoices):
    """Where a step stands."""

    QUEUED = "queued", "Queued: ready, waiting for its turn, or for its next try"
    IN_PROGRESS = "in_progress", "In progress: a worker holds its lease"
    COMPLETED = "completed", "Completed: its effect is recorded"
    FAILED = "failed", "Failed: its error is recorded"
    CANCELLED = "cancelled", "Cancelled: its job ended before it did"


class Waits(models.TextChoices):
    """What a job waits for before any worker may see it."""

    NOTHING = "", "Nothing: it was let in"
    LANE = "lane", "Lane: the job before it in its order has not ended"
    SHARE = "share", "Share: its owner has as many jobs under way as is fair"


ACTIVE = (JobState.QUEUED, JobState.IN_PROGRESS)
FINAL = tuple(state for state in JobState if state not in ACTIVE)

JOB_MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.IN_PROGRESS, JobState.CANCELLED, JobState.FAILED}),
    JobState.IN_PROGRESS: frozenset(FINAL),
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset(),
    JobState.INCOMPLETE: frozenset(),
}


def check_job_move(old: str, new: JobState) -> None:
    """Raise Conflict unless a job may go from one state to the other."""
    if new not in JOB_MOVES[JobState(old)]:
        raise Conflict(f"A job that is {old} cannot become {new}.", code="invalid_transition")
