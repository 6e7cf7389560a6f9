"""Backpressure: while ready work grows old, new work is refused before anything is written."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from pipelines.core.errors import TransientError
from pipelines.core.glances import Glance
from pipelines.core.steps import Pipeline
from pipelines.jobs.models import JobStep
from pipelines.jobs.states import StepState

# Seconds; whoever is refused asks again after as long as the backlog is too old by, within these.
RETRY_FLOOR, RETRY_CEILING = 1.0, 60.0


class Overloaded(TransientError):
    """More work is waiting than can be done in good time; nothing was written."""

    code = "overloaded"


def check_admission(pipeline: Pipeline) -> None:
    """Refuse a new job while a ready step waits too long in one of the queues that it would use.

    A step counts from when a worker might have taken it: what waits for its lane, its owner's
    share, a retry or a provider is not ready. Bulk work, which all else overtakes, does not count.

    Raises:
        Overloaded: The oldest has waited longer than BACKPRESSURE_SECONDS.
    """
    limit = settings.BACKPRESSURE_SECONDS
    if not limit:
        return
    late, oldest = timezone.now() - timedelta(seconds=limit), _oldest()
    found = [oldest[queue] for queue in {step.queue for step in pipeline.steps} & oldest.keys()]
    if found and min(found) < late:
        excess = (late - min(found)).total_seconds()
        raise Overloaded(retry_after=min(RETRY_CEILING, max(RETRY_FLOOR, excess)))


def _look() -> dict[str, datetime]:
    """Tell since when the oldest step of each queue is ready; of those that have one."""
    found = ((queue, _since(queue)) for queue in settings.QUEUES)
    return {queue: ready_at for queue, ready_at in found if ready_at is not None}


def _since(queue: str) -> datetime | None:
    """Look at one queue: a walk along `step_ready`, whatever the planner believes of the table."""
    ready = JobStep.objects.filter(
        state=StepState.QUEUED, queue=queue, ready_at__lte=timezone.now(), job__priority__gte=0
    )
    return ready.order_by("ready_at").values_list("ready_at", flat=True).first()


_oldest = Glance(_look)
