"""What is read of the schedule, in whatever way staff have written it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from pipelines.scheduler.selectors import Run, schedule_runs, statistics_latest
from pipelines.scheduler.services import run_start, statistics_record

pytestmark = pytest.mark.django_db


def _entry(args: str = '["scheduler.cleanup"]', **fields: Any) -> Run:
    """Write one entry, and read it."""
    PeriodicTask.objects.create(name="One", task="scheduler.start", args=args, **fields)
    [run] = schedule_runs()
    return run


def _cron(**fields: Any) -> CrontabSchedule:
    return CrontabSchedule.objects.create(**{"minute": "0", "hour": "2", **fields})


def test_the_last_job_is_the_one_that_beat_started() -> None:
    """Given runs of two slots and one by hand, the later slot's is the entry's."""
    _, second = (run_start("scheduler.cleanup", f"2026-11-2{day}T02:00:00+00:00") for day in "12")
    run_start("scheduler.cleanup")
    run_start("scheduler.statistics", "2026-11-23T02:00:00+00:00")

    assert _entry(crontab=_cron()).last_job == second


def test_runs_by_an_interval_bear_no_slot() -> None:
    """Given an entry of every hour, it goes on from its last run, whose job is the newest."""
    job, last = run_start("scheduler.cleanup"), timezone.now() - timedelta(minutes=20)
    hourly = IntervalSchedule.objects.create(every=1, period="hours")

    run = _entry(interval=hourly, last_run_at=last)

    assert (run.schedule, run.last_job) == ("every hour", job)
    assert run.next_at is not None
    assert abs(run.next_at - last - timedelta(hours=1)) <= timedelta(seconds=1)


def test_the_next_run_is_told_in_utc() -> None:
    """Given two in the morning in Tokyo, that is five in the afternoon of the day before."""
    run = _entry(crontab=_cron(timezone=ZoneInfo("Asia/Tokyo")))

    assert run.schedule == "0 2 * * * (Asia/Tokyo)"
    assert run.next_at is not None
    assert (run.next_at.hour, run.next_at.minute, run.next_at.second) == (17, 0, 0)
    assert run.next_at.tzinfo == UTC
    assert timedelta() < run.next_at - timezone.now() <= timedelta(days=1)


def test_what_is_off_is_never_next() -> None:
    assert _entry(crontab=_cron(), enabled=False).next_at is None


def test_a_day_that_never_comes_is_never_next() -> None:
    run = _entry(crontab=_cron(day_of_month="30", month_of_year="2"))

    assert (run.schedule, run.next_at) == ("0 2 30 2 * (UTC)", None)


@pytest.mark.parametrize(("year", "is_next"), [(2020, False), (2200, True)])
def test_one_moment_is_next_until_it_has_passed(year: int, is_next: bool) -> None:
    moment = datetime(year, 1, 1, tzinfo=UTC)
    clocked = ClockedSchedule.objects.create(clocked_time=moment)

    run = _entry(clocked=clocked, one_off=True)

    assert run.next_at == (moment if is_next else None)


def test_the_sun_is_told_without_a_moment() -> None:
    sunset = SolarSchedule.objects.create(event="sunset", latitude=1, longitude=1)

    run = _entry(solar=sunset)

    assert (run.schedule[:6], run.next_at) == ("Sunset", None)


@pytest.mark.parametrize(
    ("args", "kind"),
    [
        ('[ "scheduler.cleanup" ]', "scheduler.cleanup"),
        ("[]", ""),
        ("7", ""),
        ("[7]", ""),
        ("nonsense", ""),
        ('["a", "b"]', ""),
    ],
)
def test_what_an_entry_starts(args: str, kind: str) -> None:
    run = _entry(args, crontab=_cron())

    assert (run.kind, run.last_job) == (kind, None)


def test_the_latest_counts() -> None:
    assert statistics_latest() is None
    statistics_record(counts={"users": 1})
    second = statistics_record(counts={"users": 2})

    assert statistics_latest() == second
