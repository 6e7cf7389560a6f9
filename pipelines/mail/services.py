"""Writes to e-mails: write one down, alone or with another job."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import make_msgid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from pipelines.jobs.models import Job
from pipelines.jobs.services import job_accept
from pipelines.mail.models import Email
from pipelines.mail.pipeline import MESSAGE

if TYPE_CHECKING:
    from pipelines.accounts.models import User


def email_write(
    *,
    job: Job,
    to: str,
    subject: str,
    text: str,
    attachments: Sequence[str] = (),
) -> Email:
    """Write an e-mail down for a job whose `mail.send` step will send it."""
    return Email.objects.create(
        owner=job.owner,
        job=job,
        message_id=make_msgid(domain=settings.FROM_EMAIL.rpartition("@")[2]),
        to=to,
        subject=" ".join(subject.split())[:255],
        text=text,
        attachments=list(attachments),
    )


def email_queue(*, owner: User, to: str, subject: str, text: str) -> Email:
    """Write an e-mail down together with a job of its own that sends it."""
    with transaction.atomic():
        job = job_accept(pipeline=MESSAGE, owner=owner, input={})
        return email_write(job=job, to=to, subject=subject, text=text)
