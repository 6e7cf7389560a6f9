"""`manage.py deadletters`: lists the failed jobs, and runs them again from the failed step."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from pipelines.jobs.dead_letters import jobs_replay
from pipelines.jobs.models import Job
from pipelines.jobs.selectors import dead_letters

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def since(text: str) -> datetime:
    """Read a span such as 30m, 6h or 2d as the moment so long ago, or a moment in ISO 8601."""
    if span := re.fullmatch(r"(\d{1,5})([mhd])", text, re.ASCII):
        return timezone.now() - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise ArgumentTypeError(f"{text!r} is neither a span (30m, 6h, 2d) nor a moment (ISO 8601)")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def positive(text: str) -> int:
    """Read a number from 1 on."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


class Command(BaseCommand):
    """List or replay dead letters; 1 when one was refused, 2 when the command makes no sense."""

    help = "List the failed jobs, or run them again from the step that failed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the verb, and which jobs are meant."""
        parser.add_argument("verb", choices=["list", "replay"])
        parser.add_argument("ids", nargs="*", type=UUID, help="these jobs")
        parser.add_argument("--kind", help="of this kind, such as chat.turn")
        parser.add_argument("--code", help="with this error, such as provider_refused")
        parser.add_argument(
            "--since", type=since, help="that failed since: 30m, 6h, 2d, or ISO 8601"
        )
        parser.add_argument(
            "--limit",
            type=positive,
            default=settings.REPLAY_MAX_JOBS,
            help="the oldest of them, so many (%(default)s)",
        )
        parser.add_argument("--all", action="store_true", help="every one, without a limit")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do as the verb says."""
        is_filtered = any(options[name] for name in ("kind", "code", "since", "all"))
        if options["ids"] and is_filtered:
            raise CommandError("Say which by their ids or by options, not both.", returncode=2)
        chosen = _chosen(options)
        if options["verb"] == "list":
            self._list(chosen, options)
        elif options["ids"] or is_filtered:
            self._replay(options["ids"] or list(_limited(chosen, options)), chosen)
        else:
            raise CommandError("Say which: ids, --kind, --code or --since; or --all.", returncode=2)

    def _list(self, chosen: QuerySet[Job], options: dict[str, Any]) -> None:
        ids = list(_limited(chosen, options))
        for job in Job.objects.filter(pk__in=ids).select_related("owner").order_by("pk"):
            when = job.finished_at.isoformat(timespec="seconds") if job.finished_at else "–"
            words = (str(job.pk), when, job.kind, job.error_code, str(job.owner or "house"))
            self.stdout.write("  ".join(words))
        self.stdout.write(f"{len(ids)} of {chosen.count()} dead letters.")

    def _replay(self, ids: list[UUID], chosen: QuerySet[Job]) -> None:
        done = jobs_replay(job_ids=ids)
        for job_id in done.replayed:
            self.stdout.write(f"{job_id}  runs again")
        for job_id, error in done.refused.items():
            self.stdout.write(f"{job_id}  refused: {error.error_code}: {error.detail}")
        left = chosen.count()
        self.stdout.write(
            f"Replayed: {len(done.replayed)}. Refused: {len(done.refused)}. Left: {left}."
        )
        if done.refused:
            raise CommandError("Not all of them run again.", returncode=1)


def _chosen(options: dict[str, Any]) -> QuerySet[Job]:
    """Choose the dead letters that the options name, the oldest first."""
    lookups = {
        "pk__in": options["ids"],
        "kind": options["kind"],
        "error_code": options["code"],
        "finished_at__gte": options["since"],
    }
    given = {name: value for name, value in lookups.items() if value}
    return dead_letters().filter(**given).order_by("pk")


def _limited(chosen: QuerySet[Job], options: dict[str, Any]) -> QuerySet[Job, UUID]:
    ids = chosen.values_list("pk", flat=True)
    return ids if options["all"] else ids[: options["limit"]]
