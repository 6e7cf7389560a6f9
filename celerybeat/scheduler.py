"""Beat's scheduler: the database's entries, each run written down before its message is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from celery.beat import SchedulingError
from celery.schedules import crontab
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from pipelines.core.database import DATABASE_ERRORS, refresh_connection, summary
from pipelines.jobs.models import Job
from pipelines.scheduler.pipeline import START
from pipelines.scheduler.services import run_start

log = structlog.get_logger(__name__)

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
    """Names the slot in each run, so that two beats start one run between them.

    A run that staff start by hand from the admin bears none, and always runs.
    """

    def apply_async(self, entry: ModelEntry, *args: Any, **kwargs: Any) -> Any:
        """Accept the run of an entry's slot, then send its message, which finds the run there.

        Either of the two is enough: a message can be lost with the broker's memory, and the
        database may be away for the moment. Returns the message's result, or the run itself when
        the broker is away.
        """
        slot = _slot(entry)
        if slot is not None:
            entry.kwargs = {**entry.kwargs, "slot": slot}
        job = _accept(entry) if slot is not None and entry.task == START.name else None
        try:
            return super().apply_async(entry, *args, **kwargs)
        except SchedulingError:
            if entry.task != START.name:
                raise
            return job or run_start(*entry.args, **entry.kwargs)


def _slot(entry: ModelEntry) -> str | None:
    if not isinstance(entry.schedule, crontab):
        return None
    zone: Any = entry.schedule.tz
    slot = latest_slot(entry.schedule, datetime.now(zone))
    return slot.astimezone(UTC).isoformat() if slot else None


def _accept(entry: ModelEntry) -> Job | None:
    refresh_connection()
    try:
        return run_start(*entry.args, **entry.kwargs)
    except DATABASE_ERRORS as error:
        log.warning("beat.run_not_accepted", entry=entry.name, error=summary(error))
        return None
