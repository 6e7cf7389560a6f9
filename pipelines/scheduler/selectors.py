"""Reads of the schedule: what runs when, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from pipelines.jobs.models import Job
from pipelines.scheduler.models import Statistics
from pipelines.scheduler.services import SLOT

_SCHEDULES = ("crontab", "interval", "solar", "clocked")


@dataclass(frozen=True)
class Run:
    """One entry of the schedule.

    Attributes:
        name: Its name.
        is_enabled: Whether it runs at all.
        schedule: When, in crontab's five fields, or what stands in its place.
        kind: The kind of job that it starts; empty when it is no run of the house's.
        last_at: When beat sent it last.
        next_at: When it is due next; None when it is not enabled, or never, or by the sun.
        last_job: What beat last made of its kind; a run that somebody started by hand is none.
    """

    name: str
    is_enabled: bool
    schedule: str
    kind: str
    last_at: datetime | None
    next_at: datetime | None
    last_job: Job | None


def schedule_runs() -> Iterator[Run]:
    """Yield the entries of the schedule by name."""
    for entry in PeriodicTask.objects.select_related(*_SCHEDULES).order_by("name"):
        kind = _kind(entry)
        yield Run(
            name=entry.name,
            is_enabled=entry.enabled,
            schedule=_written(entry),
            kind=kind,
            last_at=entry.last_run_at,
            next_at=_next(entry) if entry.enabled and not entry.solar else None,
            last_job=_by_beat(entry, kind).order_by("-id").first(),
        )


def _kind(entry: PeriodicTask) -> str:
    """Read what the entry starts; staff may have written the JSON in any way, or nonsense."""
    try:
        [kind] = json.loads(entry.args)
    except (TypeError, ValueError):
        return ""
    return kind if isinstance(kind, str) else ""


def _by_beat(entry: PeriodicTask, kind: str) -> QuerySet[Job]:
    """Choose the runs that beat started; only those of a crontab bear their slot as their key."""
    runs = Job.objects.filter(kind=kind, owner=None)
    return runs.filter(idempotency_key__startswith=SLOT) if entry.crontab else runs


def _written(entry: PeriodicTask) -> str:
    cron = entry.crontab
    if cron is None:
        return str(entry.scheduler)
    fields = (cron.minute, cron.hour, cron.day_of_month, cron.month_of_year, cron.day_of_week)
    return f"{' '.join(fields)} ({cron.timezone})"


def _next(entry: PeriodicTask) -> datetime | None:
    now = timezone.now()
    # The other schedules go on from the last run, or name one moment.
    since = now if entry.crontab else entry.last_run_at or now
    try:
        left: timedelta = entry.schedule.remaining_estimate(since)
    except (RuntimeError, ValueError):  # of a crontab that names no day, such as February 30th
        return None
    # The schedule looked at its clock a little later: rounded, it is the moment that is meant.
    due = (now + left + timedelta(seconds=0.5)).astimezone(UTC)
    return due.replace(microsecond=0) if left > timedelta() else None


def statistics_latest() -> Statistics | None:
    """Return the counts that were recorded last."""
    return Statistics.objects.order_by("-id").first()
