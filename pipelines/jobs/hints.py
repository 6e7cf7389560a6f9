"""What of a job is to be published: its steps that are not done, from the ready one on."""

from __future__ import annotations

from pipelines.core.dispatch import Hint
from pipelines.core.steps import step as declared
from pipelines.jobs.models import Job
from pipelines.jobs.states import StepState


def remaining_hint(job: Job) -> Hint:
    """Name the queued steps of a job, in their order."""
    queued = [step for step in job.steps.all() if step.state == StepState.QUEUED]
    return Hint(job.pk, job.epoch, tuple(declared(step.name) for step in queued))
