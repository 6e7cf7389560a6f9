"""Writes events down for the endpoints that want them, each with the job that delivers it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from pipelines.jobs.services import job_accept
from pipelines.webhooks.models import Delivery, Endpoint, EventType
from pipelines.webhooks.pipeline import DELIVERY, TRIAL

if TYPE_CHECKING:
    from uuid import UUID

    from pipelines.core.steps import Pipeline
    from pipelines.jobs.models import Job


def job_announce(job: Job) -> None:
    """Tell an owner's endpoints, in the transaction that ends a job, how it ended.

    What is sent names the job and holds nothing of it: that is fetched with a credential.
    """
    # Of what tells of an end, nobody is told the end.
    if job.owner_id is not None and job.kind not in {DELIVERY.kind, TRIAL.kind}:
        event = EventType(f"job.{job.state}")
        event_announce(job.owner_id, event, _summary(job), parent=job, kind=job.kind)


def event_announce(
    owner_id: UUID,
    event: EventType,
    data: Mapping[str, Any],
    *,
    parent: Job | None,
    kind: str = "",
) -> None:
    """Tell those of an owner's endpoints that want the event, or the end of jobs of this kind."""
    for endpoint in Endpoint.objects.filter(owner=owner_id, disabled_at=None):
        is_of_kind = not kind or not endpoint.kinds or kind in endpoint.kinds
        if event in endpoint.events and is_of_kind:
            deliver(DELIVERY, endpoint, event, data, parent=parent)


def _summary(job: Job) -> dict[str, Any]:
    error = {"code": job.error_code, "detail": job.error_detail} if job.error_code else None
    return {
        "id": str(job.pk),
        "object": "job",
        "kind": job.kind,
        "state": job.state,
        "error": error,
        "metadata": job.metadata,
    }


def deliver(
    pipeline: Pipeline,
    endpoint: Endpoint,
    event: EventType,
    data: Mapping[str, Any],
    *,
    parent: Job | None = None,
) -> Delivery:
    """Write an event down for one endpoint, with the job that delivers it.

    With a parent the job is part of work that was let in: it takes no room of its owner's share,
    where an endpoint that is down for days would leave none.
    """
    delivery = Delivery(endpoint=endpoint, type=event)
    delivery.job = delivery_accept(pipeline, delivery, parent=parent)
    delivery.body = _body(delivery, data)
    delivery.save(force_insert=True)
    return delivery


def delivery_accept(pipeline: Pipeline, delivery: Delivery, *, parent: Job | None) -> Job:
    """Accept the job that sends a delivery to its endpoint."""
    return job_accept(
        pipeline=pipeline,
        owner=delivery.endpoint.owner,
        parent=parent,
        input={"endpoint_id": str(delivery.endpoint_id), "delivery_id": str(delivery.pk)},
    )


def _body(delivery: Delivery, data: Mapping[str, Any]) -> str:
    """Lay an event out so that Standard Webhooks' readers and OpenAI's both know it."""
    now = timezone.now()
    event = {
        "id": delivery.event_id,
        "object": "event",
        "type": delivery.type,
        "timestamp": _stamp(now),
        "created_at": int(now.timestamp()),
        "data": data,
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
