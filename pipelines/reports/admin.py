"""Admin pages of reports."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from pipelines.core.admin import WatchAdmin, link_to
from pipelines.reports.models import Report


@admin.register(Report)
class ReportAdmin(WatchAdmin):
    """Reports."""

    list_display = ("title", "owner", "state", "created_at")
    list_select_related = ("owner", "job")
    search_fields = ("id", "title", "owner__email", "owner__username")
    ordering = ("-id",)
    fields = ("id", "owner", "job_link", "title", "stem", "content", "created_at")
    readonly_fields = ("job_link",)

    def state(self, report: Report) -> str:
        """Show where the report's job stands."""
        return report.job.state if report.job else "–"

    @admin.display(description="job")
    def job_link(self, report: Report) -> SafeString | str:
        """Link to the job that makes the report."""
        return link_to(report.job)
