"""Writes to reports."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils.text import slugify

from pipelines.core.errors import InvalidInput, MessageTooLarge
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_accept
from pipelines.mail.pipeline import SEND
from pipelines.mail.services import email_write
from pipelines.reports.models import Report
from pipelines.reports.pipeline import REPORT

if TYPE_CHECKING:
    from pipelines.accounts.models import User


def report_request(
    *,
    owner: User,
    title: str,
    content: str,
    stem: str = "report",
    mail_to: str = "",
    parent: Job | None = None,
    deadline: datetime | None = None,
) -> Report:
    """Write a report down with the job that renders it and, with an address, mails it.

    The recipient is never taken from the content: it is the owner's address or none.

    Raises:
        InvalidInput: The content is empty or holds a NUL.
        MessageTooLarge: It is longer than REPORT_MAX_CHARACTERS.
    """
    if not content.strip():
        raise InvalidInput("A report needs content.", code="empty", field="content")
    if "\0" in content:
        raise InvalidInput("A report cannot hold a NUL.", code="nul_byte", field="content")
    if len(content) > (limit := settings.REPORT_MAX_CHARACTERS):
        raise MessageTooLarge(f"A report has at most {limit} characters.", field="content")
    with transaction.atomic():
        job = job_accept(
            pipeline=REPORT,
            owner=owner,
            parent=parent,
            input={},
            skip=() if mail_to else (SEND,),
            deadline=deadline,
        )
        report = Report.objects.create(
            owner=owner,
            job=job,
            title=" ".join(title.split())[:200] or "Report",
            stem=slugify(stem)[:64] or "report",
            content=content,
        )
        if mail_to:
            email_write(
                job=job,
                to=mail_to,
                subject=report.title,
                text=f"Hello,\n\nyour report “{report.title}” is attached as a PDF.\n",
                attachments=[f"{report.stem}.pdf"],
            )
    return report
