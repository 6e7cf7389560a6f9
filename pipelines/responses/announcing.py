"""Tells the owner's endpoints how a background response ended, as OpenAI does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.responses.models import Response
from pipelines.responses.pipeline import RESPONSE
from pipelines.webhooks.announcing import event_announce
from pipelines.webhooks.models import EventType

if TYPE_CHECKING:
    from pipelines.jobs.models import Job

# What ended a text before its end.
CUT_SHORT = {"length", "content_filter"}


def response_ended(job: Job) -> None:
    """Tell, in the transaction that ends a response."""
    if job.kind != RESPONSE.kind or job.owner_id is None:
        return
    response = Response.objects.filter(job=job, is_background=True).first()
    if response is None:
        return
    is_short = (job.output or {}).get("finish_reason") in CUT_SHORT
    event = EventType(f"response.{'incomplete' if is_short else job.state}")
    event_announce(job.owner_id, event, {"id": response.public_id}, parent=job)
