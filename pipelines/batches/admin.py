"""Admin pages of batches."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from pipelines.batches.models import Batch
from pipelines.batches.selectors import counts_of
from pipelines.core.admin import WatchAdmin, link_to, pretty


@admin.register(Batch)
class BatchAdmin(WatchAdmin):
    """The batches of all accounts."""

    list_display = ("created_at", "owner", "state", "total", "ended", "finished_at")
    list_filter = ("state", "created_at")
    list_select_related = ("owner",)
    search_fields = ("id", "owner__email", "owner__username")
    ordering = ("-id",)
    fields = (
        *("id", "owner", "job_link", "state", "total", "ended"),
        *("counts", "metadata", "created_at", "finished_at"),
    )
    readonly_fields = ("job_link", "counts")

    @admin.display(description="job")
    def job_link(self, batch: Batch) -> SafeString | str:
        """Link to the job that accepts the turns."""
        return link_to(batch.job)

    @admin.display(description="turns by state")
    def counts(self, batch: Batch) -> SafeString | str:
        """Count the turns."""
        return pretty(counts_of(batch))
