"""`manage.py run_housekeeping`: housekeeping now, in this process, without a worker or a broker."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from pipelines.core.database import DATABASE_ERRORS, summary
from pipelines.core.steps import Step
from pipelines.scheduler.pipeline import COUNT, TASKS
from pipelines.scheduler.retention import delete_old
from pipelines.scheduler.services import statistics_record
from pipelines.scheduler.statistics import count


class Command(BaseCommand):
    """Run housekeeping; 1 when the database fails, 130 when it was stopped by Ctrl-C.

    Each batch is a transaction of its own: what was told is done, and nothing is half done.
    """

    help = "Delete what is old, and count what there is, now and in this process."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name one task; all of them without it."""
        parser.add_argument("--task", choices=TASKS, default="all", help="this alone")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the steps of a task, one after another."""
        try:
            for step in TASKS[options["task"]].steps:
                if step is COUNT:
                    self._count()
                else:
                    self._delete(step)
        except DATABASE_ERRORS as error:
            raise CommandError(f"The database failed: {summary(error)}") from error
        except KeyboardInterrupt as stop:
            raise CommandError("Stopped; what was told is done.", returncode=130) from stop
        self.stdout.write("Done.")

    def _delete(self, step: Step) -> None:
        name = step.name.partition(".")[2].replace("_", " ")
        counts: dict[str, int] = {}
        told = 0
        for counts in delete_old(step):
            if (rows := sum(counts.values())) > told:
                told = rows
                self.stdout.write(f"{name}: {rows} so far")
        rest = ", ".join(f"{number} {table}" for table, number in sorted(counts.items()))
        self.stdout.write(f"{name}: {rest or 'nothing'}")

    def _count(self) -> None:
        counts = count()
        statistics_record(counts=counts)
        for name, number in counts.items():
            self.stdout.write(f"{name.replace('_', ' ')}: {number}")
