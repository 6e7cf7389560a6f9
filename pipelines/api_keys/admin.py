"""Admin page of API keys: staff see what is in use, and make void what must not be."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from pipelines.api_keys.models import ApiKey
from pipelines.api_keys.services import api_key_revoke
from pipelines.core.admin import WatchAdmin


@admin.register(ApiKey)
class ApiKeyAdmin(WatchAdmin):
    """The keys of all accounts."""

    list_display = ("created_at", "owner", "name", "prefix", "last_used_at", "revoked_at")
    list_filter = ("created_at", "revoked_at")
    list_select_related = ("owner",)
    search_fields = ("name", "prefix", "owner__email", "owner__username")
    ordering = ("-id",)
    exclude = ("digest",)
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may make keys void."""
        return request.user.has_perm("api_keys.change_apikey")

    @admin.action(description="Make void", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Make the chosen keys void."""
        for key in queryset:
            api_key_revoke(api_key=key)
        self.message_user(request, "The chosen keys are void.")
