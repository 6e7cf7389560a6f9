"""Brings the declared schedule into the database, and leaves alone what staff have edited."""

from __future__ import annotations

from collections import Counter
from typing import Any

import structlog
from django.db import transaction
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from celerybeat import retention, statistics
from celerybeat.entries import Entry
from pipelines.scheduler.models import DeclaredEntry
from pipelines.scheduler.pipeline import START

log = structlog.get_logger(__name__)

SCHEDULE = (*retention.ENTRIES, *statistics.ENTRIES)
_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


def _declared(entry: Entry) -> dict[str, Any]:
    return {
        "cron": [entry.minute, entry.hour, "*", "*", entry.day_of_week],
        "kind": entry.pipeline.kind,
        "enabled": True,
    }


def _present(task: PeriodicTask) -> dict[str, Any]:
    cron = task.crontab
    return {
        "cron": [getattr(cron, field) for field in _FIELDS] if cron else None,
        "kind": task.args[2:-2],
        "enabled": task.enabled,
    }


@transaction.atomic
def sync() -> Counter[str]:
    """Create and update entries; count what became of each.

    An entry that no longer equals what was last declared was edited in the admin: it stays, even
    when the declaration changes. An entry that is no longer declared is switched off unless it
    was edited.
    """
    done: Counter[str] = Counter()
    for entry in SCHEDULE:
        done[_sync_entry(entry)] += 1
    names = [entry.name for entry in SCHEDULE]
    for past in DeclaredEntry.objects.exclude(name__in=names):
        task = PeriodicTask.objects.filter(name=past.name).first()
        if task is not None and _present(task) == past.declared:
            task.enabled = False
            task.save()
            done["retired"] += 1
        past.delete()
    log.info("schedule.synced", **done)
    return done


def _sync_entry(entry: Entry) -> str:
    wanted = _declared(entry)
    task = PeriodicTask.objects.filter(name=entry.name).first()
    last = DeclaredEntry.objects.filter(name=entry.name).first()
    if task is not None and (last is None or _present(task) != last.declared):
        return "edited"
    if last is not None and task is None:
        return "edited"  # staff deleted it
    if last is not None and last.declared == wanted:
        return "unchanged"
    fields = {**dict(zip(_FIELDS, wanted["cron"], strict=True)), "timezone": "UTC"}
    # The table allows doubles, which staff may have made: any of them will do.
    cron = CrontabSchedule.objects.filter(**fields).first()
    cron = cron or CrontabSchedule.objects.create(**fields)
    PeriodicTask.objects.update_or_create(
        name=entry.name,
        defaults={
            "crontab": cron,
            "task": START.name,
            "args": f'["{entry.pipeline.kind}"]',
            "queue": START.queue,
            "enabled": True,
        },
    )
    DeclaredEntry.objects.update_or_create(name=entry.name, defaults={"declared": wanted})
    return "updated" if last else "created"
