"""Writes to endpoints, and what may be asked of a delivery."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from pipelines.accounts.services import account_lock
from pipelines.core.errors import Conflict, InvalidInput
from pipelines.jobs.locks import lock_job
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel, job_replay
from pipelines.jobs.states import ACTIVE, JobState
from pipelines.webhooks.addresses import check_url
from pipelines.webhooks.announcing import deliver, delivery_accept
from pipelines.webhooks.models import Delivery, DeliveryState, Endpoint, EventType
from pipelines.webhooks.pipeline import DELIVERY, TRIAL
from pipelines.webhooks.selectors import endpoints_of

if TYPE_CHECKING:
    from pipelines.accounts.models import User

_SECRET_BYTES = 32


def _secret_new() -> str:
    """Make a secret in the form that Standard Webhooks' libraries read."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def endpoint_create(
    *,
    owner: User,
    url: str,
    events: Collection[str],
    kinds: Collection[str] = (),
    description: str = "",
) -> Endpoint:
    """Write down where an owner wants to hear of what.

    Raises:
        InvalidInput: The address may not be one, or nothing would be sent to it.
        Conflict: The owner has WEBHOOK_ENDPOINTS_MAX endpoints.
    """
    check_url(url)
    with transaction.atomic():
        account_lock(user=owner)
        if endpoints_of(owner).count() >= (most := settings.WEBHOOK_ENDPOINTS_MAX):
            raise Conflict(f"An account has at most {most} endpoints.", code="too_many_endpoints")
        return Endpoint.objects.create(
            owner=owner,
            url=url,
            description=description,
            events=_chosen(events),
            kinds=sorted(set(kinds)),
            secret=_secret_new(),
        )


def _chosen(events: Collection[str]) -> list[str]:
    if not events:
        raise InvalidInput("An endpoint wants some event.", code="empty", field="events")
    if unknown := sorted(set(events) - set(EventType)):
        raise InvalidInput(
            f"There is no such event: {', '.join(unknown)}.", code="unknown_event", field="events"
        )
    return sorted(set(events))


def endpoint_update(
    *,
    endpoint: Endpoint,
    url: str | None = None,
    events: Collection[str] | None = None,
    kinds: Collection[str] | None = None,
    description: str | None = None,
    is_enabled: bool | None = None,
) -> Endpoint:
    """Change what is given; one that is enabled again gets what comes from now on."""
    if url is not None:
        endpoint.url = check_url(url)
    if events is not None:
        endpoint.events = _chosen(events)
    if kinds is not None:
        endpoint.kinds = sorted(set(kinds))
    if description is not None:
        endpoint.description = description
    if is_enabled is not None:
        endpoint.disabled_at = None if is_enabled else endpoint.disabled_at or timezone.now()
        endpoint.disabled_reason = "" if is_enabled else endpoint.disabled_reason or "by its owner"
    endpoint.save()
    return endpoint


def endpoint_gone(*, endpoint: Endpoint) -> None:
    """Send nothing more to an endpoint that has said that it is gone."""
    Endpoint.objects.filter(pk=endpoint.pk, disabled_at=None).update(
        disabled_at=timezone.now(), disabled_reason="It answered 410 Gone."
    )


def endpoint_rotate(*, endpoint: Endpoint) -> Endpoint:
    """Give an endpoint a new secret; the old one signs beside it for WEBHOOK_ROTATION_HOURS."""
    endpoint.old_secret, endpoint.secret = endpoint.secret, _secret_new()
    endpoint.old_secret_until = timezone.now() + timedelta(hours=settings.WEBHOOK_ROTATION_HOURS)
    endpoint.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return endpoint


def endpoint_delete(*, endpoint: Endpoint) -> None:
    """Delete an endpoint with its log; what is under way to it is cancelled."""
    under_way = Job.objects.filter(delivery__endpoint=endpoint, state__in=ACTIVE)
    for job_id in list(under_way.values_list("pk", flat=True)):
        job_cancel(job_id=job_id)
    endpoint.delete()


def endpoint_ping(*, endpoint: Endpoint) -> Delivery:
    """Try once to send an endpoint an event that says only that it was asked for."""
    if endpoint.disabled_at is not None:
        raise Conflict("This endpoint is disabled.", code="endpoint_disabled")
    with transaction.atomic():
        return deliver(TRIAL, endpoint, EventType.PING, {"endpoint_id": str(endpoint.pk)})


def delivery_replay(*, delivery: Delivery) -> Delivery:
    """Send an event again, with its id and its bytes, whether it arrived or was given up.

    Raises:
        Conflict: It is under way, or its endpoint is disabled.
    """
    if delivery.endpoint.disabled_at is not None:
        raise Conflict("This endpoint is disabled.", code="endpoint_disabled")
    with transaction.atomic():
        job = lock_job(delivery.job_id) if delivery.job_id else None
        locked = Delivery.objects.select_for_update(no_key=True).get(pk=delivery.pk)
        # Another one that came at once was first, and has made it another job.
        is_taken = locked.job_id != delivery.job_id
        if is_taken or (job is not None and job.state in ACTIVE):
            raise Conflict("This delivery is under way.", code="under_way")
        if job is not None and job.state == JobState.FAILED:
            job_replay(job_id=job.pk)
        else:
            parent = job.parent if job is not None else None
            locked.job = delivery_accept(DELIVERY, locked, parent=parent)
        locked.state, locked.delivered_at = DeliveryState.PENDING, None
        locked.save(update_fields=["job", "state", "delivered_at"])
    return locked
