"""The kinds of entries in the schedule."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.core.steps import Pipeline


@dataclass(frozen=True)
class Entry:
    """One line of the schedule: a pipeline, and when it runs, in crontab's five fields and UTC."""

    name: str
    pipeline: Pipeline
    minute: str = "0"
    hour: str = "*"
    day_of_week: str = "*"
