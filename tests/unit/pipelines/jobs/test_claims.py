"""One attempt at a step: claim, extend, record, give up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from pipelines.core.errors import (
    JobCancelled,
    NotClaimable,
    PermanentError,
    RateLimited,
    StaleAttempt,
    TransientError,
)
from pipelines.jobs.claims import (
    leases_extend,
    step_give_up,
    step_progress,
    step_recording,
)
from pipelines.jobs.models import Job, JobEvent, JobStep
from pipelines.jobs.services import job_cancel
from tests.unit.pipelines.jobs.conftest import FIRST, SECOND, THIRD, Accept, claim, states


def test_a_claim_takes_the_lease_and_starts_the_job(accept: Accept) -> None:
    job = accept()

    taken = claim(job)

    step = job.steps.get(name=FIRST.name)
    assert states(job)[:2] == ["in_progress", "in_progress"]
    assert (taken.attempt, taken.input, step.worker, step.task_id) == (1, {"n": 1}, "w1", "t1")
    assert step.lease_expires_at is not None
    assert step.lease_expires_at > timezone.now()


def test_of_two_deliveries_only_the_first_claims(accept: Accept) -> None:
    job = accept()
    claim(job)

    with pytest.raises(NotClaimable):
        claim(job)

    assert job.steps.get(name=FIRST.name).attempt == 1


@pytest.mark.parametrize("step", [SECOND, THIRD])
def test_a_step_is_not_claimed_before_its_turn(accept: Accept, step: object) -> None:
    with pytest.raises(NotClaimable):
        claim(accept(), step)  # type: ignore[arg-type]


def test_a_message_of_an_older_epoch_is_void(accept: Accept) -> None:
    job = accept()
    Job.objects.filter(pk=job.pk).update(epoch=2)

    with pytest.raises(NotClaimable):
        claim(job, epoch=1)


def test_a_clock_that_is_a_second_behind_claims_all_the_same(accept: Accept) -> None:
    job = accept()
    job.steps.filter(name=FIRST.name).update(ready_at=timezone.now() + timedelta(seconds=1))

    assert claim(job).attempt == 1


def test_a_step_of_a_cancelled_job_is_not_claimed(accept: Accept) -> None:
    job = accept()
    job_cancel(job_id=job.pk)

    with pytest.raises(NotClaimable):
        claim(job)


def test_recording_completes_the_step_and_makes_the_next_one_ready(accept: Accept) -> None:
    job = accept()

    with step_recording(claim(job)) as outcome:
        outcome.output = {"found": 3}

    assert states(job) == ["in_progress", "completed", "queued", "queued"]
    assert job.steps.get(name=SECOND.name).ready_at is not None
    assert job.steps.get(name=THIRD.name).ready_at is None
    second = claim(job, SECOND)
    assert (second.outputs, second.is_last) == ({FIRST.name: {"found": 3}}, False)


def test_the_last_step_completes_the_job_with_its_output(accept: Accept) -> None:
    job = accept()
    for step in (FIRST, SECOND, THIRD):
        with step_recording(claim(job, step)) as outcome:
            outcome.output = {"by": step.name}

    assert states(job) == ["completed"] * 4
    assert job.output == {"by": "test.third"}


def test_a_stale_attempt_records_nothing(accept: Accept) -> None:
    job = accept()
    stale = claim(job)
    JobStep.objects.filter(job=job, name=FIRST.name).update(state="queued")
    fresh = claim(job)
    assert fresh.attempt == 2

    with pytest.raises(StaleAttempt), step_recording(stale):
        JobEvent.objects.create(job=job, type="effect")

    assert not JobEvent.objects.filter(type="effect").exists()
    assert states(job)[1] == "in_progress"


def test_an_effect_that_fails_leaves_the_step_uncompleted(accept: Accept) -> None:
    job = accept()
    taken = claim(job)

    def effect() -> None:
        with step_recording(taken):
            JobEvent.objects.create(job=job, type="effect")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        effect()

    assert not JobEvent.objects.filter(type="effect").exists()
    assert states(job)[1] == "in_progress"


def test_a_cancelled_job_records_nothing(accept: Accept) -> None:
    job = accept()
    taken = claim(job)
    job_cancel(job_id=job.pk)

    with pytest.raises(JobCancelled), step_recording(taken):
        pytest.fail("the body must not run")

    assert states(job) == ["cancelled"] * 4


def test_extending_tells_which_leases_are_lost(accept: Accept) -> None:
    kept, lost = claim(accept()), claim(accept())
    JobStep.objects.filter(pk=lost.step_id).update(attempt=2)
    before = JobStep.objects.get(pk=kept.step_id).lease_expires_at
    assert before is not None

    assert leases_extend([kept, lost]) == {lost}

    after = JobStep.objects.get(pk=kept.step_id).lease_expires_at
    assert after is not None
    assert after >= before


def test_extending_nothing_needs_no_database() -> None:
    assert leases_extend([]) == set()


def test_a_retryable_error_queues_the_step_again_with_a_reason(accept: Accept) -> None:
    job = accept()
    now = timezone.now()

    step_give_up(claim(job), RateLimited("slow down", retry_after=30))

    step = job.steps.get(name=FIRST.name)
    assert states(job) == ["in_progress", "queued", "queued", "queued"]
    assert step.ready_at is not None
    assert step.ready_at >= now + timedelta(seconds=30)
    assert step.reason.startswith("rate_limited until ")
    assert (step.published_at, step.lease_expires_at) == (None, None)
    with pytest.raises(NotClaimable):
        claim(job)


def _told_to_come_back(job: Job, retry_after: float | None = None) -> JobStep:
    """Let the first step be tried and told to come back later; return it, ready at once."""
    step_give_up(claim(job), RateLimited("slow down", retry_after=retry_after))
    waiting = JobStep.objects.get(job=job, name=FIRST.name)
    JobStep.objects.filter(pk=waiting.pk).update(ready_at=timezone.now())
    return waiting


def test_a_provider_that_says_later_uses_no_try_up_to_a_limit(
    accept: Accept, settings: Settings
) -> None:
    settings.RATE_LIMITS_FORGIVEN = 3
    job = accept()

    tries = [_told_to_come_back(job).tries for _ in range(4)]

    assert tries == [0, 0, 0, 1]
    assert states(job)[0] == "in_progress"
    _told_to_come_back(job)
    assert states(job)[0] == "failed"


def _pause(job: Job, retry_after: float | None = None) -> float:
    """Seconds for which the first step is put off when it is told to come back later."""
    before = timezone.now()
    waiting = _told_to_come_back(job, retry_after)
    assert waiting.ready_at is not None
    return (waiting.ready_at - before).total_seconds()


def test_a_provider_that_does_not_say_when_is_asked_after_longer_and_longer(accept: Accept) -> None:
    job = accept()

    pauses = [_pause(job) for _ in range(4)]

    # From one second on, doubled each time, with jitter on the upper half, and time to work.
    assert all(2**n / 2 <= pause < 2**n + 0.5 for n, pause in enumerate(pauses)), pauses


def test_a_provider_that_says_when_is_asked_then(accept: Accept) -> None:
    job = accept()
    assert 30 <= _pause(job, retry_after=30) < 31
    # However often it has said so: of the step's own pauses the first is left, of a second.
    assert [pause for _ in range(4) if (pause := _pause(job, retry_after=0.1)) >= 2.0] == []


def test_the_last_attempt_fails_the_job(accept: Accept, ended: list[str]) -> None:
    job = accept()
    for _ in range(2):
        JobStep.objects.filter(job=job, state="queued", ready_at__isnull=False).update(
            ready_at=timezone.now()
        )
        step_give_up(claim(job), TransientError("still down"))

    assert states(job) == ["failed", "failed", "cancelled", "cancelled"]
    assert (job.error_code, job.error_detail) == ("transient_error", "still down")
    assert ended == ["failed"]


def test_a_permanent_error_fails_the_job_at_once(accept: Accept) -> None:
    job = accept()

    step_give_up(claim(job), PermanentError("refused"))

    assert states(job) == ["failed", "failed", "cancelled", "cancelled"]
    assert list(job.events.values_list("type", flat=True)) == [
        "step.started",
        "step.failed",
        "job.failed",
    ]


def test_a_stale_attempt_cannot_give_up(accept: Accept) -> None:
    job = accept()
    stale = claim(job)
    JobStep.objects.filter(pk=stale.step_id).update(attempt=5)

    with pytest.raises(StaleAttempt):
        step_give_up(stale, PermanentError("late"))

    assert states(job)[:2] == ["in_progress", "in_progress"]


def test_progress_is_kept_for_the_next_attempt(accept: Accept) -> None:
    job = accept()
    step_progress(claim(job), response_id="resp_1")
    JobStep.objects.filter(job=job, name=FIRST.name).update(state="queued")

    assert claim(job).progress == {"response_id": "resp_1"}
