"""What becomes of an e-mail while its step sends it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from pipelines.core.errors import NotFound, StaleAttempt
from pipelines.jobs.claims import Claim
from pipelines.jobs.locks import lock_attempt
from pipelines.mail.models import Email, EmailState

_OPEN = (EmailState.QUEUED, EmailState.SENDING)


def email_of(job_id: UUID) -> Email:
    """Return the e-mail that a job is to send; NotFound when it is gone."""
    email = Email.objects.filter(job_id=job_id).first()
    if email is None:
        raise NotFound("The e-mail of this job is gone.")
    return email


def email_transmitting(*, email: Email, claim: Claim) -> None:
    """Note, durably and before the first byte, that the transport may accept the e-mail.

    Raises:
        StaleAttempt, JobCancelled: This attempt may not send it any more: the step is another's,
            or an earlier attempt, late, has sent it meanwhile.
    """
    with transaction.atomic():
        lock_attempt(claim.job_id, claim.step_id, claim.attempt)
        unsent = Email.objects.filter(pk=email.pk).exclude(state=EmailState.SENT)
        if not unsent.update(state=EmailState.SENDING):
            raise StaleAttempt


def email_sent(*, email: Email, transport: str, provider_id: str) -> None:
    """Record that the transport accepted the e-mail."""
    Email.objects.filter(pk=email.pk).update(
        state=EmailState.SENT,
        transport=transport,
        provider_id=provider_id[:255],
        sent_at=timezone.now(),
    )


def email_refused(*, email: Email, claim: Claim) -> None:
    """Record that the transport clearly refused this sending: it may be tried again."""
    with transaction.atomic():
        lock_attempt(claim.job_id, claim.step_id, claim.attempt)
        Email.objects.filter(pk=email.pk, state=EmailState.SENDING).update(state=EmailState.QUEUED)


def email_resolve(*, email_id: UUID, arrived: bool) -> bool:
    """Let staff say what became of an uncertain e-mail; False when it is not uncertain.

    One that did not arrive may be sent by replaying its job.
    """
    state = EmailState.SENT if arrived else EmailState.FAILED
    uncertain = Email.objects.filter(pk=email_id, state=EmailState.UNCERTAIN)
    return bool(uncertain.update(state=state, sent_at=timezone.now() if arrived else None))


def email_close(job_id: UUID) -> None:
    """Close the e-mail of a job that ended early; what may have been sent becomes uncertain."""
    emails = Email.objects.filter(job_id=job_id, state__in=_OPEN)
    emails.filter(state=EmailState.SENDING).update(state=EmailState.UNCERTAIN)
    emails.filter(state=EmailState.QUEUED).update(state=EmailState.FAILED)
