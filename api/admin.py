"""Admin pages of what belongs to the front door: locked sign-ins; and no lists of tokens."""

from __future__ import annotations

from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from pipelines.core.admin import WatchAdmin

# Whoever reads a refresh token can use it.
admin.site.unregister(BlacklistedToken)
admin.site.unregister(OutstandingToken)


@admin.register(AccessAttempt)
class AccessAttemptAdmin(WatchAdmin):
    """Wrong passwords by account; the row of a good sign-in is gone."""

    list_display = ("username", "failures_since_start", "attempt_time", "is_locked")
    fields = ("username", "failures_since_start", "attempt_time", "is_locked")
    search_fields = ("username",)
    ordering = ("-attempt_time",)
    actions = ("unlock",)

    @admin.display(boolean=True, description="locked")
    def is_locked(self, row: Any) -> bool:
        """Show whether no password is taken for the account just now."""
        since = timezone.now() - settings.AXES_COOLOFF_TIME
        is_used_up: bool = row.failures_since_start >= settings.AXES_FAILURE_LIMIT
        return is_used_up and row.attempt_time > since

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may let an account be signed in to again."""
        return request.user.has_perm("axes.delete_accessattempt")

    @admin.action(description="Unlock", permissions=["unlock"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Forget the wrong passwords of the chosen accounts."""
        queryset.delete()
        self.message_user(request, "Passwords are taken again.")
