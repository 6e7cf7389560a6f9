"""`manage.py scheduler_info`: what runs by the clock, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand

from pipelines.jobs.nodes import nodes_alive
from pipelines.scheduler.selectors import schedule_runs


class Command(BaseCommand):
    """Shows the schedule."""

    help = "Show whether beat is alive, and each entry of the schedule."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Print a line for each beat and each entry."""
        beats = nodes_alive("beat")
        if not beats:
            self.stdout.write("No beat is running: nothing runs by the clock.")
        for beat in beats:
            self.stdout.write(f"{beat.name} is running, seen at {_moment(beat.seen_at)}")
        for run in schedule_runs():
            self.stdout.write(
                f"{run.name}: {run.schedule if run.is_enabled else 'off'}, "
                f"last {_moment(run.last_at)}, next {_moment(run.next_at)}"
                + (f", last job {run.last_job.pk} {run.last_job.state}" if run.last_job else "")
            )


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "never"
