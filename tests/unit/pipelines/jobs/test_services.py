"""Accept, cancel, replay."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.accounts.models import User
from pipelines.core.errors import Conflict, PermanentError
from pipelines.core.steps import Pipeline
from pipelines.jobs import relay
from pipelines.jobs.claims import step_give_up, step_recording
from pipelines.jobs.models import Job, JobEvent, JobStep
from pipelines.jobs.services import job_accept, job_accept_once, job_cancel, job_replay
from tests.unit.pipelines.jobs.conftest import FIRST, SECOND, THIRD, Accept, claim, states


def test_accept_writes_the_job_and_makes_its_first_step_ready(accept: Accept) -> None:
    job = accept(metadata={"a": 1})

    assert states(job) == ["queued", "queued", "queued", "queued"]
    ready = list(job.steps.filter(ready_at__isnull=False).values_list("name", flat=True))
    assert ready == ["test.first"]
    assert job.metadata == {"a": 1}


def test_a_step_that_is_not_needed_is_not_written(accept: Accept) -> None:
    job = accept(skip=(FIRST,))

    assert list(job.steps.values_list("name", "position")) == [
        ("test.second", 0),
        ("test.third", 1),
    ]
    assert job.steps.get(name="test.second").ready_at is not None


def test_a_rolled_back_accept_leaves_nothing(pipeline: Pipeline, owner: User) -> None:
    @transaction.atomic
    def accept_and_fail() -> None:
        job_accept(pipeline=pipeline, owner=owner, input={})
        raise RuntimeError

    with pytest.raises(RuntimeError):
        accept_and_fail()

    assert (Job.objects.count(), JobStep.objects.count()) == (0, 0)


def test_one_idempotency_key_makes_one_job(accept: Accept) -> None:
    accept(idempotency_key="k")

    with pytest.raises(IntegrityError), transaction.atomic():
        accept(idempotency_key="k")

    assert Job.objects.count() == 1


@pytest.mark.django_db
def test_a_house_job_is_accepted_once_for_its_key(pipeline: Pipeline) -> None:
    first, is_new = job_accept_once(pipeline=pipeline, input={}, idempotency_key="slot:1")
    second, is_new_again = job_accept_once(pipeline=pipeline, input={}, idempotency_key="slot:1")

    assert (first.pk, is_new, is_new_again) == (second.pk, True, False)
    assert Job.objects.count() == 1


def test_a_queued_job_is_cancelled_at_once(accept: Accept, ended: list[str]) -> None:
    job = accept()

    job_cancel(job_id=job.pk)

    assert states(job) == ["cancelled", "cancelled", "cancelled", "cancelled"]
    assert job.finished_at is not None
    assert ended == ["cancelled"]


def test_cancelling_an_ended_job_changes_nothing(accept: Accept) -> None:
    job = accept()
    job_cancel(job_id=job.pk)
    finished = Job.objects.get(pk=job.pk).finished_at

    job_cancel(job_id=job.pk)

    assert Job.objects.get(pk=job.pk).finished_at == finished
    assert JobEvent.objects.filter(type="job.cancelled").count() == 1


def _fail_second(job: Job) -> None:
    with step_recording(claim(job)):
        pass
    step_give_up(claim(job, SECOND), PermanentError("no"))


def test_a_replay_goes_on_from_the_step_that_failed(accept: Accept, ended: list[str]) -> None:
    job = accept()
    _fail_second(job)
    assert states(job) == ["failed", "completed", "failed", "cancelled"]
    assert (job.error_code, job.error_detail) == ("permanent_error", "no")

    job_replay(job_id=job.pk)

    assert states(job) == ["queued", "completed", "queued", "queued"]
    assert (job.epoch, job.error_code, job.finished_at) == (2, "", None)
    for step in (SECOND, THIRD):
        with step_recording(claim(job, step, epoch=2)):
            pass
    assert states(job) == ["completed", "completed", "completed", "completed"]
    assert ended == ["failed"]


def test_a_replay_drops_the_deadline_that_ended_the_job(accept: Accept) -> None:
    job = accept(deadline=timezone.now() - timedelta(minutes=1))
    assert relay.end_overdue() == 1

    assert job_replay(job_id=job.pk).deadline is None

    assert relay.end_overdue() == 0


def test_a_replay_forgives_the_attempts_before_it(accept: Accept) -> None:
    job = accept()
    _fail_second(job)

    job_replay(job_id=job.pk)

    second = job.steps.get(name=SECOND.name)
    assert (second.attempt, second.forgiven) == (1, 1)


def test_only_a_failed_job_is_replayed(accept: Accept) -> None:
    job = accept()

    with pytest.raises(Conflict, match="queued cannot become queued"):
        job_replay(job_id=job.pk)

    assert Job.objects.get(pk=job.pk).epoch == 1
