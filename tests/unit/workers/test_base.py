"""What the base task does around a body."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery.exceptions import Ignore
from django.db import OperationalError
from pytest_django import Settings

from pipelines.accounts.models import User
from pipelines.core import steps
from pipelines.core.errors import Deferred, PermanentError, RateLimited, TransientError
from pipelines.core.steps import Pipeline, Retry, Step
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.services import job_accept, job_cancel
from workers.base import Body, Run, execute

ONLY = Step("test.only", queue="default", retry=Retry(attempts=3))


@pytest.fixture
def job(db: None) -> Iterator[Job]:
    """A job of one step."""
    pipeline = steps.register(Pipeline("test.one", (ONLY,)))
    owner = User.objects.create(username="ada")
    yield job_accept(pipeline=pipeline, owner=owner, input={"n": 1})
    steps._pipelines.pop("test.one")
    steps._steps.pop(ONLY.name)


def _deliver(body: Body, job_id: UUID) -> None:
    execute(ONLY, body, job_id, 1, "w1", "t1")


def _step(job: Job) -> JobStep:
    job.refresh_from_db()
    return job.steps.get()


def _succeed(run: Run) -> None:
    with run.recording() as outcome:
        outcome.output = {"n": run.input["n"] + 1}


def _must_not_run(run: Run) -> None:
    pytest.fail(f"{run.claim.name} ran again")


def test_a_body_that_records_completes_the_job(job: Job) -> None:
    _deliver(_succeed, job.pk)

    assert (_step(job).state, job.state, job.output) == ("completed", "completed", {"n": 2})


def test_a_second_delivery_does_not_run_the_body(job: Job) -> None:
    _deliver(_succeed, job.pk)

    with pytest.raises(Ignore):
        _deliver(_must_not_run, job.pk)

    assert _step(job).attempt == 1


def test_a_delivery_for_a_job_that_is_gone_is_ignored(job: Job) -> None:
    Job.objects.all().delete()

    with pytest.raises(Ignore):
        _deliver(_succeed, job.pk)


@pytest.mark.parametrize(
    ("error", "code", "raised"),
    [
        (TransientError("slow"), "transient_error", TransientError),
        # Put off, without a try: nothing that Celery should keep a traceback of.
        (RateLimited("slow down", retry_after=9), "rate_limited", Ignore),
        (Deferred("not yet"), "deferred", Ignore),
    ],
)
def test_a_retryable_error_is_recorded(
    job: Job, error: TransientError, code: str, raised: type[Exception]
) -> None:
    def refuse(run: Run) -> None:
        raise error

    with pytest.raises(raised):
        _deliver(refuse, job.pk)

    step = _step(job)
    assert (job.state, step.state, step.error_code) == ("in_progress", "queued", code)


def test_a_pause_that_is_not_forgiven_any_more_is_raised(job: Job, settings: Settings) -> None:
    settings.RATE_LIMITS_FORGIVEN = 0

    def refuse(run: Run) -> None:
        raise RateLimited("slow down")

    with pytest.raises(RateLimited):
        _deliver(refuse, job.pk)


@pytest.mark.parametrize(
    ("raised", "state", "code"),
    [
        (PermanentError("no"), "failed", "permanent_error"),
        (ValueError("a secret"), "failed", "internal_error"),
        (OperationalError("gone"), "in_progress", "database_unavailable"),
        (SoftTimeLimitExceeded(), "in_progress", "timed_out"),
    ],
)
def test_each_kind_of_error_has_its_code(
    job: Job, raised: Exception, state: str, code: str
) -> None:
    def fail(run: Run) -> None:
        raise raised

    with pytest.raises(type(raised)):
        _deliver(fail, job.pk)

    step = _step(job)
    assert (job.state, step.error_code) == (state, code)
    assert "a secret" not in step.error_detail


def test_a_job_cancelled_while_its_step_runs_records_nothing(job: Job) -> None:
    def cancelled_meanwhile(run: Run) -> None:
        job_cancel(job_id=run.job_id)
        _succeed(run)

    with pytest.raises(Ignore):
        _deliver(cancelled_meanwhile, job.pk)

    assert (_step(job).state, job.state, job.output) == ("cancelled", "cancelled", None)
