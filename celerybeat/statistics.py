"""When the house is counted."""

from __future__ import annotations

from celerybeat.entries import Entry
from pipelines.scheduler.pipeline import STATISTICS

ENTRIES = (Entry("Statistics", STATISTICS, hour="*/6"),)
