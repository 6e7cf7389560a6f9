"""Admin pages of kept answers."""

from __future__ import annotations

from django.contrib import admin

from pipelines.core.admin import WatchAdmin
from pipelines.idempotency.models import KeptAnswer


@admin.register(KeptAnswer)
class KeptAnswerAdmin(WatchAdmin):
    """Which keys were used, without the answers, which are their owners'."""

    list_display = ("key", "owner", "status", "created_at")
    list_select_related = ("owner",)
    list_filter = ("status", "created_at")
    search_fields = ("key", "owner__email", "owner__username")
    ordering = ("-id",)
    fields = ("id", "owner", "key", "status", "created_at")
