"""Tables: what the schedule was declared to be, and the statistics that were counted."""

from __future__ import annotations

from django.db import models

from pipelines.core.models import Entity


class DeclaredEntry(models.Model):
    """What the code last declared for an entry; a row that differs from it was edited by staff."""

    name = models.CharField(max_length=200, primary_key=True)
    declared = models.JSONField()

    class Meta:
        verbose_name_plural = "declared entries"

    def __str__(self) -> str:
        return self.name


class Statistics(Entity):
    """Counts at one moment."""

    counts = models.JSONField()

    class Meta:
        verbose_name_plural = "statistics"
        get_latest_by = "created_at"

    def __str__(self) -> str:
        return self.created_at.isoformat(timespec="seconds")
