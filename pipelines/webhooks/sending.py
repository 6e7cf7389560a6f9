"""What becomes of a delivery while its step sends it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.utils import timezone

from pipelines.core.errors import NotFound, PermanentError, TurnpikeError
from pipelines.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint


class EndpointDisabled(PermanentError):
    """Nothing is sent to this endpoint any more."""

    code = "endpoint_disabled"


def delivery_of(job_id: UUID) -> Delivery:
    """Return what a job is to deliver, with its endpoint.

    Raises:
        NotFound: It is gone, with its endpoint.
        EndpointDisabled: Its endpoint wants nothing any more.
    """
    delivery = Delivery.objects.select_related("endpoint").filter(job_id=job_id).first()
    if delivery is None:
        raise NotFound("The endpoint of this delivery was deleted.")
    if delivery.endpoint.disabled_at is not None:
        raise EndpointDisabled
    return delivery


def secrets_of(endpoint: Endpoint) -> list[str]:
    """Return what signs: the secret, and for a while after it was rotated the one before."""
    until = endpoint.old_secret_until
    is_old_good = until is not None and until > timezone.now()
    return [endpoint.secret, *([endpoint.old_secret] if is_old_good else [])]


def attempt_answered(
    *, delivery: Delivery, began: datetime, seconds: float, status: int, answer: str
) -> None:
    """Note an attempt that was answered: a fact, whoever owns the step by now."""
    Attempt.objects.create(
        delivery=delivery, created_at=began, seconds=seconds, status=status, answer=answer
    )


def attempt_unanswered(
    *, delivery: Delivery, began: datetime, seconds: float, error: TurnpikeError
) -> None:
    """Note an attempt that nothing answered."""
    Attempt.objects.create(
        delivery=delivery,
        created_at=began,
        seconds=seconds,
        error_code=error.error_code,
        error_detail=error.detail,
    )


def delivery_taken(*, delivery: Delivery) -> None:
    """Record that the endpoint has it."""
    Delivery.objects.filter(pk=delivery.pk).update(
        state=DeliveryState.DELIVERED, delivered_at=timezone.now()
    )


def delivery_close(job_id: UUID) -> None:
    """Give up the delivery of a job that ended early."""
    pending = Delivery.objects.filter(job_id=job_id, state=DeliveryState.PENDING)
    pending.update(state=DeliveryState.FAILED)


def delivery_reopen(job_id: UUID) -> None:
    """Send what was given up once more."""
    Delivery.objects.filter(job_id=job_id).update(state=DeliveryState.PENDING, delivered_at=None)
