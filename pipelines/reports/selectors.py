"""Reads of reports, each scoped to one owner."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet

from pipelines.core.errors import NotFound
from pipelines.reports.models import Report

if TYPE_CHECKING:
    from pipelines.accounts.models import User


def reports_of(owner: User) -> QuerySet[Report]:
    """Every report of an owner, newest first."""
    return (
        Report.objects.filter(owner=owner)
        .select_related("job")
        .prefetch_related("job__artifacts")
        .order_by("-id")
    )


def report_get(owner: User, report_id: UUID) -> Report:
    """Return one report; NotFound when it does not exist or is another's."""
    report = reports_of(owner).filter(pk=report_id).first()
    if report is None:
        raise NotFound("There is no such report.")
    return report


def report_of_job(job_id: UUID) -> Report:
    """Return the report that a job renders; NotFound when it is gone."""
    report = Report.objects.filter(job_id=job_id).first()
    if report is None:
        raise NotFound("The report of this job is gone.")
    return report
