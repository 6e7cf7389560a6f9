"""The outbox: ready steps that were never sent, whose retry is due, or whose message was lost."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from pipelines.core import dispatch
from pipelines.core.database import DATABASE_ERRORS
from pipelines.core.steps import declared_steps
from pipelines.jobs.hints import remaining_hint
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.states import StepState

log = structlog.get_logger(__name__)

# A step's id, and when it was last handed to the broker, as this round has read it.
Due = tuple[int, datetime | None]


def publish_due() -> int:
    """Send what is due; return how many."""
    now = timezone.now()
    try:
        due = [*_unsent(now), *_lost(now)][: settings.RELAY_BATCH]
        return sum(_publish_safely(*row) for row in due)
    except dispatch.BROKER_ERRORS as error:
        log.warning("relay.broker_unreachable", error=str(error))
        return 0


def _ready(now: datetime) -> QuerySet[JobStep]:
    """Select what may run by now and is known here; the rest is for relays of a newer release."""
    known = declared_steps()
    return JobStep.objects.filter(
        state=StepState.QUEUED,
        ready_at__lte=now,
        name__in=list(known),
        queue__in={step.queue for step in known.values()},
    )


def _unsent(now: datetime) -> list[Due]:
    rows = _ready(now).filter(published_at__isnull=True).order_by("ready_at")
    return list(rows.values_list("pk", "published_at")[: settings.RELAY_BATCH])


def _lost(now: datetime) -> list[Due]:
    """Find the published steps that are in no queue any more.

    Steps that merely wait in a long queue must not be sent again and again; so the messages in
    the broker are counted against the steps that should have one.
    """
    stale = now - timedelta(seconds=settings.REPUBLISH_AFTER)
    published = _ready(now).filter(published_at__isnull=False)
    waiting = _count(published.filter(published_at__lt=stale))
    if not waiting:
        return []
    total, depths = _count(published), dispatch.queue_depths(list(waiting))
    found: list[Due] = []
    for queue, count in waiting.items():
        missing = min(count, max(0, total[queue] - depths[queue]))
        oldest = published.filter(queue=queue).order_by("published_at")
        found += oldest.values_list("pk", "published_at")[:missing]
    return found


def _count(steps: QuerySet[JobStep]) -> dict[str, int]:
    return dict(steps.values_list("queue").annotate(count=Count("pk")).order_by())


def _publish_safely(step_id: int, seen: datetime | None) -> bool:
    """Send one step; what goes wrong with it, other than the broker, holds up no other."""
    try:
        return _publish(step_id, seen)
    except (*dispatch.BROKER_ERRORS, *DATABASE_ERRORS):
        raise
    except Exception:
        log.exception("relay.publish_failed", step_id=step_id)
        return False


def _publish(step_id: int, seen: datetime | None) -> bool:
    """Mark one step as sent, unless another relay was first, then send it."""
    as_seen = Q(published_at__isnull=True) if seen is None else Q(published_at=seen)
    mine = JobStep.objects.filter(as_seen, pk=step_id, state=StepState.QUEUED)
    sent_at = timezone.now()
    if not mine.update(published_at=sent_at):
        return False
    job = Job.objects.prefetch_related("steps").filter(steps=step_id).first()
    if job is None:
        return False
    try:
        dispatch.publish(remaining_hint(job, job.steps.all()))
    except dispatch.BROKER_ERRORS:
        JobStep.objects.filter(pk=step_id, published_at=sent_at).update(published_at=None)
        raise
    return True
