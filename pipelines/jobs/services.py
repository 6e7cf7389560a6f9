"""Writes to jobs: accept, end, cancel, replay."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from pipelines.core.dispatch import Hint, publish_on_commit
from pipelines.core.errors import Conflict, TurnpikeError
from pipelines.core.steps import Pipeline, Step, pipeline
from pipelines.jobs import ordering, shares
from pipelines.jobs.endings import tell_ended
from pipelines.jobs.hints import remaining_hint
from pipelines.jobs.locks import lock_job
from pipelines.jobs.log import line_add
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.states import ACTIVE, JobState, StepState, Waits, check_job_move

if TYPE_CHECKING:
    from uuid import UUID

    from pipelines.accounts.models import User


def job_accept(
    *,
    pipeline: Pipeline,
    owner: User | None,
    input: Mapping[str, Any],  # noqa: A002 - the field's name in the API and in the table
    skip: Collection[Step] = (),
    ordering_key: str = "",
    parent: Job | None = None,
    priority: int = 0,
    deadline: datetime | None = None,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Job:
    """Write a job and its steps down, and publish it after the caller's transaction commits.

    Args:
        pipeline: What is to be done.
        owner: Whose job it is; None for the house's own.
        input: Ids and small JSON, never document text.
        skip: Steps of the pipeline that this job does not need; they are not sent.
        ordering_key: Jobs of one key run in the order accepted; the caller holds the lock of the
            row that guards the key.
        parent: The job that this one follows from.
        priority: Below 0 is bulk work, which everything else overtakes.
        deadline: When the job ends as failed if it has not ended before.
        metadata: The client's own data, returned as it came.
        idempotency_key: Unique with owner and kind.

    Raises:
        IntegrityError: The idempotency key is in use; see `job_accept_once`.
    """
    steps = tuple(step for step in pipeline.steps if step not in skip)

    def write(number: int, is_clear: bool) -> Job:
        job = Job(
            kind=pipeline.kind,
            owner=owner,
            parent=parent,
            input=dict(input),
            ordering_key=ordering_key,
            ordering_number=number,
            idempotency_key=idempotency_key,
            priority=priority,
            deadline=deadline,
            metadata=dict(metadata or {}),
        )
        job.waits_for = _waits_for(job, is_clear)
        job.save(force_insert=True)
        _steps_create(job, steps)
        if job.waits_for == Waits.NOTHING:
            publish_on_commit(Hint(job.pk, job.epoch, steps))
        return job

    return ordering.in_lane(ordering_key, write)


def _waits_for(job: Job, is_clear: bool) -> Waits:
    """Say what keeps a job from being let in: first its lane, then its owner's share."""
    if not is_clear:
        return Waits.LANE
    return Waits.NOTHING if shares.has_room(job) else Waits.SHARE


def _steps_create(job: Job, steps: tuple[Step, ...]) -> None:
    rows = [
        JobStep(job=job, name=step.name, queue=step.queue, position=position)
        for position, step in enumerate(steps)
    ]
    _let_in(rows[0], job.waits_for, job.created_at)
    JobStep.objects.bulk_create(rows)


def _let_in(step: JobStep, waits_for: str, now: datetime) -> None:
    """Make the step that comes next ready, unless its job waits for something."""
    is_in = waits_for == Waits.NOTHING
    step.ready_at = step.published_at = now if is_in else None
    step.reason = ordering.REASONS[Waits(waits_for)]


def job_accept_once(
    *,
    pipeline: Pipeline,
    input: Mapping[str, Any],  # noqa: A002 - as above
    idempotency_key: str,
) -> tuple[Job, bool]:
    """Accept a job of the house unless its key was used; return it and whether it is new."""
    try:
        with transaction.atomic():
            job = job_accept(
                pipeline=pipeline, owner=None, input=input, idempotency_key=idempotency_key
            )
    except IntegrityError:
        key = {"kind": pipeline.kind, "idempotency_key": idempotency_key}
        return Job.objects.get(owner=None, **key), False
    return job, True


def job_end(
    job: Job, state: JobState, *, output: Any = None, error: TurnpikeError | None = None
) -> None:
    """Bring a locked job to a final state, and let the next of its ordering key begin.

    Raises:
        Conflict: The job has ended already.
    """
    check_job_move(job.state, state)
    now = timezone.now()
    job.state, job.finished_at, job.output = state, now, output
    job.error_code = error.error_code if error else ""
    job.error_detail = error.detail if error else ""
    job.save(update_fields=["state", "finished_at", "output", "error_code", "error_detail"])
    if state != JobState.COMPLETED:
        job.steps.filter(state__in=[StepState.QUEUED, StepState.IN_PROGRESS]).update(
            state=StepState.CANCELLED, finished_at=now, ready_at=None, reason=""
        )
    line_add(job, f"job.{state}", detail=job.error_detail)
    tell_ended(job)
    if not ordering.release_next(job) and job.waits_for == Waits.NOTHING:
        shares.release(job)
    declared = pipeline(job.kind)
    on_end = declared.on_complete if state == JobState.COMPLETED else declared.on_end
    if on_end is not None:
        on_end(job.pk)


def job_cancel(*, job_id: UUID) -> Job:
    """Cancel a job; one that has ended already stays as it is.

    A running step notices within CANCEL_POLL_SECONDS, stops, and records nothing.
    """
    with transaction.atomic():
        job = lock_job(job_id)
        if job.state in ACTIVE:
            job_end(job, JobState.CANCELLED)
    return job


def lane_cancel(ordering_key: str) -> None:
    """Cancel what is under way in a lane; the caller holds the lock of the row that guards it."""
    lane = Job.objects.filter(ordering_key=ordering_key, state__in=ACTIVE)
    locked = lane.order_by("ordering_number").select_for_update(no_key=True)
    # Locked in their order, cancelled from the last: none becomes ready on the way.
    for job_id in reversed(locked.values_list("pk", flat=True)):
        job_cancel(job_id=job_id)


def job_replay(*, job_id: UUID) -> Job:
    """Run a failed job again from the step that failed, without the deadline it may have had.

    Among jobs of one ordering key it goes to the end: what came after it has not waited.

    Raises:
        Conflict: The job did not fail.
    """
    with transaction.atomic():
        job = lock_job(job_id)
        check_job_move(job.state, JobState.QUEUED)
        if not job.steps.exclude(state=StepState.COMPLETED).exists():
            raise Conflict("Every step of this job is done.", code="nothing_to_replay")
        ordering.in_lane(job.ordering_key, partial(_requeue, job))
        on_replay = pipeline(job.kind).on_replay
        if on_replay is not None:
            on_replay(job.pk)
    return job


def _requeue(job: Job, number: int, is_clear: bool) -> None:
    steps = list(job.steps.exclude(state=StepState.COMPLETED))
    for step in steps:
        step.state, step.reason, step.ready_at = StepState.QUEUED, "", None
        step.finished_at = step.lease_expires_at = None
        step.error_code = step.error_detail = ""
        step.forgiven = step.attempt
    waits_for = _waits_for(job, is_clear)
    _let_in(steps[0], waits_for, timezone.now())
    fields = ["state", "reason", "ready_at", "published_at", "finished_at"]
    fields += ["lease_expires_at", "error_code", "error_detail", "forgiven"]
    JobStep.objects.bulk_update(steps, fields)
    Job.objects.filter(pk=job.pk).update(
        state=JobState.QUEUED,
        ordering_number=number,
        waits_for=waits_for,
        epoch=F("epoch") + 1,
        finished_at=None,
        deadline=None,
        error_code="",
        error_detail="",
    )
    job.refresh_from_db()
    line_add(job, "job.replayed", steps[0])
    if waits_for == Waits.NOTHING:
        publish_on_commit(remaining_hint(job, steps))
