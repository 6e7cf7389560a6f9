"""Writes of the scheduler: start a run once for its slot, record statistics."""

from __future__ import annotations

from datetime import datetime

from pipelines.core.steps import pipeline
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_accept, job_accept_once
from pipelines.scheduler.models import Statistics

# How the idempotency keys of the runs begin that beat starts.
SLOT = "slot:"


def run_start(kind: str, slot: str | None = None) -> Job:
    """Accept a run; for a slot that has one already, return that.

    Two beats that fire for one slot name the same slot, and the second finds the first's job.
    The arguments are those of beat's message, `scheduler.start(kind, slot)`.

    Args:
        kind: A pipeline of the scheduler.
        slot: The moment for which it was due, in ISO 8601; None runs it regardless.
    """
    if slot is None:
        return job_accept(pipeline=pipeline(kind), owner=None, input={})
    name = datetime.fromisoformat(slot).isoformat(timespec="seconds")
    job, _ = job_accept_once(
        pipeline=pipeline(kind), input={"slot": name}, idempotency_key=f"{SLOT}{name}"
    )
    return job


def statistics_record(*, counts: dict[str, object]) -> Statistics:
    """Keep the counts of this moment."""
    return Statistics.objects.create(counts=counts)
