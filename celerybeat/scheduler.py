"""Beat's scheduler: the database's entries, each message bearing the slot for which it was due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from celery.beat import SchedulingError
from celery.schedules import crontab
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from pipelines.scheduler.pipeline import START
from pipelines.scheduler.services import run_start

_LONGEST = timedelta(days=366)


def latest_slot(cron: Any, now: datetime) -> datetime | None:
    """Return the last minute up to now, in the crontab's zone, that a crontab names."""
    slot = now.replace(second=0, microsecond=0)
    oldest = slot - _LONGEST
    while slot >= oldest:
        if (
            slot.minute in cron.minute
            and slot.hour in cron.hour
            and slot.isoweekday() % 7 in cron.day_of_week
            and slot.day in cron.day_of_month
            and slot.month in cron.month_of_year
        ):
            return slot
        slot -= timedelta(minutes=1)
    return None


class SlotScheduler(DatabaseScheduler):  # type: ignore[misc]  # untyped package
    """Names the slot in each message, so that two beats start one run between them.

    A run that staff start by hand from the admin bears none, and always runs.
    """

    def apply_async(self, entry: ModelEntry, *args: Any, **kwargs: Any) -> Any:
        """Send an entry's message."""
        if isinstance(entry.schedule, crontab):
            zone: Any = entry.schedule.tz
            slot = latest_slot(entry.schedule, datetime.now(zone))
            if slot is not None:
                entry.kwargs = {**entry.kwargs, "slot": slot.astimezone(UTC).isoformat()}
        try:
            return super().apply_async(entry, *args, **kwargs)
        except SchedulingError:
            # The broker is away: beat has the database at hand, and the slot is not lost.
            if entry.task != START.name:
                raise
            return run_start(*entry.args, **entry.kwargs)
