"""What of a job is to be published: its steps that are not done, from the ready one on."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from pipelines.core.dispatch import Hint
from pipelines.core.steps import declared_steps
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.states import StepState


def remaining_hint(job: Job, steps: Iterable[JobStep]) -> Hint:
    """Name the queued ones of a job's steps, in order, up to one that only a newer release knows.

    A relay of that release sends the rest.
    """
    known = declared_steps()
    queued = (step.name for step in steps if step.state == StepState.QUEUED)
    names = takewhile(known.__contains__, queued)
    return Hint(job.pk, job.epoch, tuple(known[name] for name in names))
