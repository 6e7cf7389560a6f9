"""The task of an e-mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from pipelines.core.errors import InvalidInput, PermanentError, TransientError
from pipelines.jobs.artifacts import artifact_open
from pipelines.mail import sending
from pipelines.mail.models import Email, EmailState
from pipelines.mail.pipeline import SEND
from workers import configured
from workers.base import Run, step_task

if TYPE_CHECKING:
    from workers.engines.mailer import Outgoing, Receipt


@step_task(SEND)
def send(run: Run) -> None:
    """Send an e-mail once; what an earlier attempt may have sent is looked up, not sent again."""
    email = sending.email_of(run.job_id)
    if email.state != EmailState.SENT:
        receipt = _deliver(run, email)
        # A fact, whoever owns the step by now: it is recorded at once and by itself.
        sending.email_sent(email=email, transport=receipt.provider, provider_id=receipt.provider_id)
    with run.recording() as outcome:
        outcome.output = {"email_id": str(email.pk), "message_id": email.message_id}


def _deliver(run: Run, email: Email) -> Receipt:
    from workers.engines.mailer import SendUncertain

    mailer = configured.mailer()
    may_be_sent = email.state in {EmailState.SENDING, EmailState.UNCERTAIN}
    if may_be_sent and not mailer.idempotent:
        found = mailer.find(email.message_id, to=email.to, since=email.created_at)
        if found is None:
            raise SendUncertain("An earlier attempt may have sent this e-mail; staff must look.")
        return found
    try:
        return mailer.send(
            _outgoing(email),
            transmitting=lambda: sending.email_transmitting(email=email, claim=run.claim),
        )
    except SendUncertain:
        raise
    except (TransientError, PermanentError, InvalidInput):
        # By the engine's contract the transport has certainly not accepted this sending; of an
        # earlier one that says nothing.
        if not may_be_sent:
            sending.email_refused(email=email, claim=run.claim)
        raise


def _outgoing(email: Email) -> Outgoing:
    from workers.engines.mailer import Attachment, Outgoing

    files = email.job.artifacts.filter(name__in=email.attachments) if email.job else []
    attachments = []
    for artifact in files:
        with artifact_open(artifact) as file:
            attachments.append(Attachment(artifact.name, artifact.content_type, file.read()))
    return Outgoing(
        message_id=email.message_id,
        sender=settings.FROM_EMAIL,
        sender_name=settings.FROM_NAME,
        to=email.to,
        subject=email.subject,
        text=email.text,
        attachments=tuple(attachments),
    )
