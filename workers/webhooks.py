"""The task of a delivery."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from pipelines.core.errors import PermanentError, TransientError, TurnpikeError
from pipelines.webhooks import sending
from pipelines.webhooks.models import Delivery
from pipelines.webhooks.pipeline import DELIVER, TRY
from pipelines.webhooks.services import endpoint_gone
from workers import configured
from workers.base import Run, step_task

if TYPE_CHECKING:
    from workers.engines.courier import Answer, Parcel

_GONE = 410


class EndpointRefused(TransientError):
    """The endpoint answered, and not with a 2xx."""

    code = "endpoint_refused"


class EndpointGone(PermanentError):
    """The endpoint answered 410: nothing more is sent to it."""

    code = "endpoint_gone"


@step_task(TRY)
@step_task(DELIVER)
def deliver(run: Run) -> None:
    """Send an event to its endpoint; what the endpoint says is noted, and decides what follows."""
    delivery = sending.delivery_of(run.job_id)
    answer = _attempt(delivery)
    if answer.status == _GONE:
        endpoint_gone(endpoint=delivery.endpoint)
        raise EndpointGone
    if not 200 <= answer.status < 300:
        raise EndpointRefused(
            f"The endpoint answered {answer.status}.", retry_after=answer.retry_after
        )
    with run.recording() as outcome:
        sending.delivery_taken(delivery=delivery)
        outcome.output = {"delivery_id": str(delivery.pk), "status": answer.status}


def _attempt(delivery: Delivery) -> Answer:
    began, clock = timezone.now(), time.monotonic()
    try:
        answer = configured.courier().deliver(_parcel(delivery))
    except TurnpikeError as error:
        seconds = time.monotonic() - clock
        sending.attempt_unanswered(delivery=delivery, began=began, seconds=seconds, error=error)
        raise
    sending.attempt_answered(
        delivery=delivery,
        began=began,
        seconds=answer.seconds,
        status=answer.status,
        answer=answer.body,
    )
    return answer


def _parcel(delivery: Delivery) -> Parcel:
    """Sign anew for each attempt: receivers refuse what was signed minutes ago."""
    from workers.engines.courier import Parcel

    now = timezone.now()
    secrets = sending.secrets_of(delivery.endpoint)
    signed = [Webhook(secret).sign(delivery.event_id, now, delivery.body) for secret in secrets]
    return Parcel(
        url=delivery.endpoint.url,
        body=delivery.body.encode(),
        headers={
            "Content-Type": "application/json",
            "webhook-id": delivery.event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signed),
        },
    )
