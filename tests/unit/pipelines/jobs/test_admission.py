"""New work is refused while ready work grows old."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from pipelines.core.steps import Pipeline
from pipelines.jobs.admission import RETRY_CEILING, Overloaded, check_admission
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.shares import BULK
from tests.unit.pipelines.jobs.conftest import Accept, claim


@pytest.fixture(autouse=True)
def limit(settings: Settings) -> None:
    """Half a minute."""
    settings.BACKPRESSURE_SECONDS = 30.0


def age(job: Job, seconds: float) -> None:
    """Let a job's first step have been ready for so long."""
    since = timezone.now() - timedelta(seconds=seconds)
    JobStep.objects.filter(job=job, position=0).update(ready_at=since)


def test_young_work_keeps_nobody_out(accept: Accept, pipeline: Pipeline) -> None:
    check_admission(pipeline)
    age(accept(), 29)
    check_admission(pipeline)


@pytest.mark.parametrize(("seconds", "wait"), [(30.5, 1), (40, 10), (10_000, RETRY_CEILING)])
def test_old_work_refuses_more_and_says_for_how_long(
    accept: Accept, pipeline: Pipeline, seconds: float, wait: float
) -> None:
    age(accept(), seconds)

    with pytest.raises(Overloaded) as refusal:
        check_admission(pipeline)

    assert (refusal.value.status, refusal.value.error_code) == (503, "overloaded")
    assert refusal.value.retry_after == pytest.approx(wait, abs=1)


def test_zero_never_refuses(accept: Accept, pipeline: Pipeline, settings: Settings) -> None:
    settings.BACKPRESSURE_SECONDS = 0.0
    age(accept(), 10_000)
    check_admission(pipeline)


def test_only_what_a_worker_might_have_taken_counts(accept: Accept, pipeline: Pipeline) -> None:
    running, bulk = accept(), accept(priority=BULK)
    age(running, 100)
    claim(running)
    age(bulk, 100)
    waiting = accept(ordering_key="c:1"), accept(ordering_key="c:1")
    later = accept()
    age(later, -100)

    check_admission(pipeline)
    age(waiting[0], 100)
    with pytest.raises(Overloaded):
        check_admission(pipeline)


def test_other_queues_do_not_count(accept: Accept, pipeline: Pipeline) -> None:
    job = accept()
    age(job, 100)
    job.steps.filter(position=0).update(queue="pdf")
    check_admission(pipeline)
