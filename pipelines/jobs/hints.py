"""What of a job is to be published: its steps that are not done, from the ready one on."""

from __future__ import annotations

from itertools import takewhile

from pipelines.core.dispatch import Hint
from pipelines.core.steps import declared_steps
from pipelines.jobs.models import Job
from pipelines.jobs.states import StepState


def remaining_hint(job: Job) -> Hint:
    """Name the queued steps of a job, in their order, up to one that only a newer release knows.

    A relay of that release sends the rest.
    """
    queued = [step.name for step in job.steps.all() if step.state == StepState.QUEUED]
    known = {step.name: step for step in declared_steps()}
    names = takewhile(known.__contains__, queued)
    return Hint(job.pk, job.epoch, tuple(known[name] for name in names))
