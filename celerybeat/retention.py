"""When old data goes."""

from __future__ import annotations

from celerybeat.entries import Entry
from pipelines.scheduler.pipeline import CLEANUP, HOUSEKEEPING

ENTRIES = (
    Entry("Daily housekeeping", HOUSEKEEPING, hour="2"),
    Entry("Weekly cleanup", CLEANUP, hour="3", day_of_week="0"),
)
