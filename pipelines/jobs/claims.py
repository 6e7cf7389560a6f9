"""The life of one attempt at a step: claim, extend, record, or give up.

Every write names the attempt number that the claim raised. A worker that stalls past its lease
loses the step to a later attempt, and whatever it tries to record afterwards changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from pipelines.core.errors import (
    Deferred,
    JobCancelled,
    NotClaimable,
    RateLimited,
    StaleAttempt,
    TransientError,
    TurnpikeError,
)
from pipelines.core.steps import Retry
from pipelines.core.steps import step as declared
from pipelines.jobs.locks import lock_active_job, lock_attempt
from pipelines.jobs.log import RESTARTED, line_add
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.services import job_end
from pipelines.jobs.states import JobState, StepState


@dataclass(frozen=True, eq=False)
class Claim:
    """The right to run one attempt of one step, for as long as its lease is extended."""

    job_id: UUID
    step_id: int
    name: str
    attempt: int
    kind: str
    owner_id: UUID | None
    input: dict[str, Any]
    progress: dict[str, Any]
    # What the steps before this one left behind, by name, and whether none comes after it.
    outputs: dict[str, dict[str, Any]]
    is_last: bool


@dataclass
class Outcome:
    """What a step leaves behind: small JSON, read by later steps and shown to the owner."""

    output: dict[str, Any] = field(default_factory=dict)


def _lease() -> datetime:
    return timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)


def step_claim(*, job_id: UUID, epoch: int, name: str, worker: str, task_id: str) -> Claim:
    """Take a ready step.

    One conditional UPDATE decides between rivals; the job is locked before it, as everywhere.

    Raises:
        NotClaimable: The step is done, taken or early, the job has ended, or the epoch is old.
    """
    now = timezone.now()
    latest = now + timedelta(seconds=settings.CLOCK_SKEW_SECONDS)
    with transaction.atomic():
        job = lock_active_job(job_id, epoch)
        ready = JobStep.objects.filter(
            job_id=job_id, name=name, state=StepState.QUEUED, ready_at__lte=latest
        )
        taken = job is not None and ready.update(
            state=StepState.IN_PROGRESS,
            attempt=F("attempt") + 1,
            lease_expires_at=_lease(),
            worker=worker,
            task_id=task_id,
            started_at=now,
            reason="",
        )
        if job is None or not taken:
            raise NotClaimable
        if job.state == JobState.QUEUED:
            job.state, job.started_at = JobState.IN_PROGRESS, job.started_at or now
            job.save(update_fields=["state", "started_at"])
        steps = list(job.steps.all())
        [step] = [step for step in steps if step.name == name]
        line_add(job, "step.started", step)
    done = [step for step in steps if step.state == StepState.COMPLETED]
    return Claim(
        job_id=job.pk,
        step_id=step.pk,
        name=name,
        attempt=step.attempt,
        kind=job.kind,
        owner_id=job.owner_id,
        input=job.input,
        progress=step.progress,
        outputs={step.name: step.output or {} for step in done},
        is_last=step is steps[-1],
    )


def leases_extend(claims: Collection[Claim]) -> set[Claim]:
    """Extend the leases of these claims, in one statement; return those that are lost."""
    if not claims:
        return set()
    owned = reduce(or_, (Q(pk=claim.step_id, attempt=claim.attempt) for claim in claims))
    held = JobStep.objects.filter(owned, state=StepState.IN_PROGRESS)
    held.update(lease_expires_at=_lease())
    alive = set(held.values_list("pk", "attempt"))
    return {claim for claim in claims if (claim.step_id, claim.attempt) not in alive}


def claims_lost(claims: Collection[Claim]) -> dict[Claim, TurnpikeError]:
    """Tell which of these claims are lost, and how, by one SELECT.

    JobCancelled where the job has ended and nobody goes on with the step, StaleAttempt where
    another attempt does. A step that its own attempt has completed is not lost.
    """
    rows = JobStep.objects.filter(pk__in=[claim.step_id for claim in claims])
    states = {pk: state for pk, *state in rows.values_list("pk", "attempt", "state")}
    lost: dict[Claim, TurnpikeError] = {}
    for claim in claims:
        # A job that is gone has taken its steps with it.
        attempt, state = states.get(claim.step_id, (claim.attempt, StepState.CANCELLED))
        if attempt == claim.attempt and state == StepState.CANCELLED:
            lost[claim] = JobCancelled()
        elif attempt != claim.attempt or state in {StepState.QUEUED, StepState.FAILED}:
            lost[claim] = StaleAttempt()
    return lost


def step_progress(claim: Claim, **progress: Any) -> bool:
    """Note how far the attempt has come, for whoever watches and for the next attempt.

    None takes a note away. Returns whether the step is still this attempt's.
    """
    claim.progress.update(progress)
    for name in [name for name, value in progress.items() if value is None]:
        del claim.progress[name]
    own = JobStep.objects.filter(
        pk=claim.step_id, attempt=claim.attempt, state=StepState.IN_PROGRESS
    )
    return bool(own.update(progress=claim.progress))


def text_begin(claim: Claim, **progress: Any) -> int:
    """Note that the step's text begins, or begins afresh, and return how often it has done so.

    Raises:
        StaleAttempt: The step is another attempt's by now, or its job has ended.
        JobCancelled: The job was cancelled.
    """
    generation: int = claim.progress.get("generation", -1) + 1
    if generation == 0:
        _text_note(claim, generation, progress)
        return generation
    with transaction.atomic():
        job, step = lock_attempt(claim.job_id, claim.step_id, claim.attempt)
        line_add(job, RESTARTED, step)
        _text_note(claim, generation, progress)
    return generation


def _text_note(claim: Claim, generation: int, progress: Mapping[str, Any]) -> None:
    if not step_progress(claim, generation=generation, **progress):
        raise StaleAttempt


@contextmanager
def step_recording(claim: Claim) -> Iterator[Outcome]:
    """Record the step's effect and its completion, in one transaction; both or neither.

    The body writes the effect, with no network and no long computing in it. The last step's
    output becomes the job's.

    Raises:
        StaleAttempt: The step is another attempt's by now.
        JobCancelled: The job was cancelled.
    """
    with transaction.atomic():
        job, step = lock_attempt(claim.job_id, claim.step_id, claim.attempt)
        outcome = Outcome()
        yield outcome
        _step_complete(job, step, outcome.output, is_last=claim.is_last)


def _step_complete(job: Job, step: JobStep, output: dict[str, Any], *, is_last: bool) -> None:
    now = timezone.now()
    JobStep.objects.filter(pk=step.pk).update(
        state=StepState.COMPLETED,
        output=output,
        finished_at=now,
        lease_expires_at=None,
        reason="",
        error_code="",
        error_detail="",
    )
    line_add(job, "step.completed", step)
    if is_last:
        job_end(job, JobState.COMPLETED, output=output)
    else:
        # The chain's next link is under way; should it be lost, the relay sends another.
        job.steps.filter(position=step.position + 1).update(ready_at=now, published_at=now)


def step_give_up(claim: Claim, error: TurnpikeError) -> bool:
    """Record that an attempt went wrong: try again as the step's policy says, or fail the job.

    Returns whether the attempt was only put off, and no try was used.

    Raises:
        StaleAttempt: The step is another attempt's by now.
        JobCancelled: The job was cancelled.
    """
    with transaction.atomic():
        job, step = lock_attempt(claim.job_id, claim.step_id, claim.attempt)
        return attempt_failed(job, step, error)


def attempt_failed(job: Job, step: JobStep, error: TurnpikeError) -> bool:
    """Apply the retry policy to a failed attempt, and return whether it was only put off.

    Job and step are locked.
    """
    retry = declared(step.name).retry
    step.lease_expires_at = None
    step.error_code, step.error_detail = error.error_code, error.detail
    now = timezone.now()
    if (pause := _put_off(step, error, retry)) is not None:
        step.forgiven += 1
        _try_again(job, step, "step.deferred", error, now, pause)
        return True
    if error.retryable and step.tries < retry.attempts:
        asked = error.retry_after if isinstance(error, TransientError) else None
        _try_again(job, step, "step.retrying", error, now, retry.delay(step.tries, asked=asked))
        return False
    step.state, step.finished_at, step.ready_at = StepState.FAILED, now, None
    step.save()
    line_add(job, "step.failed", step, detail=_said(error))
    job_end(job, JobState.FAILED, error=error)
    return False


def _put_off(step: JobStep, error: TurnpikeError, retry: Retry) -> float | None:
    """Seconds for which an error puts a step off without using a try; None where it uses one.

    A provider's 429 is a queue at its door, not a failure. Where it does not say how long the
    queue is, the pauses grow as those of a retry do.
    """
    if isinstance(error, Deferred):
        return error.retry_after or 0.0
    if isinstance(error, RateLimited) and step.forgiven < settings.RATE_LIMITS_FORGIVEN:
        attempt = step.forgiven + 1 if error.retry_after is None else 1
        return retry.delay(attempt, asked=error.retry_after)
    return None


def _try_again(
    job: Job, step: JobStep, event: str, error: TurnpikeError, now: datetime, delay: float
) -> None:
    step.state, step.published_at = StepState.QUEUED, None
    step.ready_at = now + timedelta(seconds=delay)
    step.reason = _reason(error, step.ready_at)
    step.save()
    line_add(job, event, step, detail=_said(error))


def _reason(error: TurnpikeError, until: datetime) -> str:
    word = "rate_limited" if isinstance(error, RateLimited) else error.error_code
    return f"{word} until {until.isoformat(timespec='seconds')}"


def _said(error: TurnpikeError) -> str:
    return f"{error.error_code}: {error.detail}"
