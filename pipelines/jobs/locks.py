"""Row locks, and the one order in which they are taken.

    0. the idempotency key of a request; a batch's turn that has no job yet
    1. the row that guards an ordering key (a conversation, a collection)
    2. the job; of several of one ordering key, the earlier first
    3. its steps
    4. whatever the step's effect writes; a batch, and its turn that has a job
    5. an account's balance of credits

Whoever holds a later one never asks for an earlier one. `no_key` leaves other transactions free
to insert rows that refer to the locked one.
"""

from __future__ import annotations

from uuid import UUID

from pipelines.core.errors import JobCancelled, StaleAttempt
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.states import ACTIVE, JobState, StepState


def lock_job(job_id: UUID) -> Job:
    """Lock a job until the transaction ends; Job.DoesNotExist when it is gone."""
    return Job.objects.select_for_update(no_key=True).get(pk=job_id)


def lock_active_job(job_id: UUID, epoch: int) -> Job | None:
    """Lock a job that has not ended and is of this epoch; None for any other."""
    jobs = Job.objects.select_for_update(no_key=True)
    return jobs.filter(pk=job_id, epoch=epoch, state__in=ACTIVE).first()


def lock_free_job(job_id: UUID) -> Job | None:
    """Lock a job unless another transaction holds it."""
    jobs = Job.objects.select_for_update(no_key=True, skip_locked=True)
    return jobs.filter(pk=job_id).first()


def lock_attempt(job_id: UUID, step_id: int, attempt: int) -> tuple[Job, JobStep]:
    """Lock a job and its step for the attempt that owns it.

    Raises:
        JobCancelled: The job was cancelled meanwhile.
        StaleAttempt: The step is another attempt's by now, or its job has ended or is gone.
    """
    job = Job.objects.select_for_update(no_key=True).filter(pk=job_id).first()
    if job is not None and job.state == JobState.CANCELLED:
        raise JobCancelled
    step = JobStep.objects.filter(pk=step_id, attempt=attempt, state=StepState.IN_PROGRESS).first()
    if job is None or step is None or job.state != JobState.IN_PROGRESS:
        raise StaleAttempt
    return job, step
