"""A slot is not lost because the broker or the database was away, or lost its message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery.beat import SchedulingError
from celery.schedules import crontab
from django.db import OperationalError
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from celerybeat.scheduler import SlotScheduler
from celerybeat.sync import sync
from pipelines.jobs.models import Job
from project.celery import app

pytestmark = pytest.mark.django_db


@pytest.fixture
def entry() -> ModelEntry:
    """The entry of the statistics, as beat holds it."""
    sync()
    entry = ModelEntry(PeriodicTask.objects.get(name="Statistics"), app=app)
    assert isinstance(entry.schedule, crontab)
    return entry


def _sending(monkeypatch: pytest.MonkeyPatch, send: Callable[..., object]) -> SlotScheduler:
    monkeypatch.setattr(DatabaseScheduler, "apply_async", send)
    return SlotScheduler(app, lazy=True)


def test_the_run_is_there_before_its_message(
    entry: ModelEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a message that nobody will ever read, the run is accepted all the same, once."""
    there: list[int] = []
    scheduler = _sending(monkeypatch, lambda *_, **__: there.append(Job.objects.count()))

    for _ in range(2):
        scheduler.apply_async(entry)

    assert there == [1, 1]


def test_the_message_goes_when_the_database_is_away(
    entry: ModelEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []
    scheduler = _sending(monkeypatch, lambda _, entry, **__: sent.append(entry.kwargs))

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr("celerybeat.scheduler.run_start", away)
    scheduler.apply_async(entry)

    assert [list(kwargs) for kwargs in sent] == [["slot"]]


def test_the_run_is_started_when_the_broker_is_away(
    entry: ModelEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise SchedulingError("the broker is away")

    scheduler = _sending(monkeypatch, refuse)

    first, second = (scheduler.apply_async(entry) for _ in range(2))

    assert first == second
    job = Job.objects.get()
    assert job.kind == "scheduler.statistics"
    assert job.input["slot"].endswith(":00:00+00:00")
