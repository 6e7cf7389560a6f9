"""Reads of jobs, each scoped to one owner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Count, Prefetch, Q, QuerySet, prefetch_related_objects
from django_celery_results.models import TaskResult

from pipelines.core.errors import NotFound
from pipelines.core.glances import Glance
from pipelines.jobs.models import Artifact, Job, JobStep
from pipelines.jobs.nodes import served_queues
from pipelines.jobs.states import JobState, StepState

if TYPE_CHECKING:
    from pipelines.accounts.models import User


@dataclass(frozen=True)
class Waiting:
    """Where a job's next step waits: the queue, the place in it from 1, and the reason in words."""

    queue: str
    position: int | None
    reason: str


def jobs_of(owner: User) -> QuerySet[Job]:
    """Every job of an owner, with its steps, artifacts and children, newest first."""
    return _with_parts(Job.objects.filter(owner=owner))


def _with_parts(jobs: QuerySet[Job]) -> QuerySet[Job]:
    children = Job.objects.only("id", "kind", "state", "parent_id").order_by("id")
    parts = ("steps", "artifacts", Prefetch("children", children))
    return jobs.prefetch_related(*parts).order_by("-id")


def seen_by(viewer: User) -> Q:
    """Choose the jobs that somebody may look at: the own ones and, for staff, the house's."""
    return Q(owner=viewer) | Q(owner=None) if viewer.is_staff else Q(owner=viewer)


def job_get(owner: User, job_id: UUID) -> Job:
    """Return one job; NotFound when it does not exist or is another's."""
    return _one(jobs_of(owner), job_id)


def job_see(viewer: User, job_id: UUID) -> Job:
    """Return one job to look at; NotFound when it does not exist or is not the viewer's to see."""
    return _one(_with_parts(Job.objects.filter(seen_by(viewer))), job_id)


def _one(jobs: QuerySet[Job], job_id: UUID) -> Job:
    job = jobs.filter(pk=job_id).first()
    if job is None:
        raise NotFound("There is no such job.")
    return job


def job_new(job: Job) -> Job:
    """Return a job that was accepted a moment ago, with its steps; it can have no other parts."""
    nothing = Prefetch("artifacts", Artifact.objects.none())
    nobody = Prefetch("children", Job.objects.none())
    prefetch_related_objects([job], "steps", nothing, nobody)
    return job


def dead_letters() -> QuerySet[Job]:
    """Every job that failed, whosever it is, with what `jobs_of` reads along; for staff alone."""
    return _with_parts(Job.objects.filter(state=JobState.FAILED))


def artifact_get(owner: User, job_id: UUID, name: str) -> Artifact:
    """Return one file of a job; NotFound when it does not exist or is another's."""
    artifact = Artifact.objects.filter(job__owner=owner, job_id=job_id, name=name).first()
    if artifact is None:
        raise NotFound("There is no such file.")
    return artifact


def current_step(job: Job) -> JobStep | None:
    """Return the step that runs or is next; None once the job has ended."""
    open_states = (StepState.QUEUED, StepState.IN_PROGRESS)
    return next((step for step in job.steps.all() if step.state in open_states), None)


def waiting_of(jobs: Iterable[Job]) -> dict[UUID, Waiting]:
    """Tell of those jobs whose next step waits: where, behind how many, and why; two queries."""
    steps = [step for job in jobs if (step := current_step(job)) is not None]
    queued = [step for step in steps if step.state == StepState.QUEUED]
    if not queued:
        return {}
    positions = _queue_positions([step for step in queued if step.ready_at is not None])
    served = _served()
    return {
        step.job_id: Waiting(step.queue, positions.get(step.pk), _reason(step, served))
        for step in queued
    }


def _queue_positions(steps: Sequence[JobStep]) -> dict[int, int]:
    """Count the ready steps of each queue up to each of these, which are ready, from 1."""
    if not steps:
        return {}
    before = {
        str(step.pk): Count("pk", filter=Q(queue=step.queue, ready_at__lt=step.ready_at))
        for step in steps
    }
    ready = JobStep.objects.filter(
        state=StepState.QUEUED,
        queue__in={step.queue for step in steps},
        ready_at__lt=max(step.ready_at for step in steps if step.ready_at is not None),
    )
    return {int(pk): count + 1 for pk, count in ready.aggregate(**before).items()}


def _reason(step: JobStep, served: set[str]) -> str:
    if step.reason or step.queue in served:
        return step.reason
    return f"no worker serves the queue '{step.queue}'"


_served = Glance(served_queues)


def records_of(jobs: Iterable[Job]) -> dict[str, TaskResult]:
    """Read Celery's own records of the steps of these jobs, by the task's id; one query."""
    task_ids = [step.task_id for job in jobs for step in job.steps.all() if step.task_id]
    records = TaskResult.objects.filter(task_id__in=task_ids) if task_ids else ()
    return {record.task_id: record for record in records}
