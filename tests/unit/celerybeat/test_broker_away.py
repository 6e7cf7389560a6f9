"""A slot is not lost because the broker was away when it came."""

from __future__ import annotations

from typing import Any

import pytest
from celery.beat import SchedulingError
from celery.schedules import crontab
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from celerybeat.scheduler import SlotScheduler
from celerybeat.sync import sync
from pipelines.jobs.models import Job
from project.celery import app


@pytest.mark.django_db
def test_the_run_is_started_by_beat_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise SchedulingError("the broker is away")

    monkeypatch.setattr(DatabaseScheduler, "apply_async", refuse)
    sync()
    entry = ModelEntry(PeriodicTask.objects.get(name="Statistics"), app=app)
    assert isinstance(entry.schedule, crontab)
    scheduler = SlotScheduler(app, lazy=True)

    first, second = (scheduler.apply_async(entry) for _ in range(2))

    assert first == second
    job = Job.objects.get()
    assert job.kind == "scheduler.statistics"
    assert job.input["slot"].endswith(":00:00+00:00")
