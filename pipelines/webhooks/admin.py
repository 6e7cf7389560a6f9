"""Admin pages of webhooks: where things are told, and what came of each attempt."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from pipelines.core.admin import WatchAdmin, WatchInline, link_to
from pipelines.core.errors import TurnpikeError
from pipelines.webhooks.models import Attempt, Delivery, Endpoint
from pipelines.webhooks.services import delivery_replay


@admin.register(Endpoint)
class EndpointAdmin(WatchAdmin):
    """The endpoints of all accounts, without their secrets."""

    list_display = ("created_at", "owner", "url", "disabled_at", "disabled_reason")
    list_filter = ("created_at", "disabled_at")
    list_select_related = ("owner",)
    search_fields = ("id", "url", "owner__email", "owner__username")
    ordering = ("-id",)
    exclude = ("secret", "old_secret")


class AttemptRows(WatchInline):
    """The attempts at a delivery."""

    model = Attempt
    fields = ("created_at", "seconds", "status", "answer", "error_code", "error_detail")


@admin.register(Delivery)
class DeliveryAdmin(WatchAdmin):
    """What was delivered, and what not."""

    list_display = ("created_at", "type", "endpoint", "state", "delivered_at")
    list_filter = ("state", "type", "created_at")
    list_select_related = ("endpoint",)
    search_fields = ("id", "endpoint__url", "endpoint__owner__email")
    ordering = ("-id",)
    fields = ("id", "endpoint", "job_link", "type", "state", "body", "created_at", "delivered_at")
    readonly_fields = ("job_link",)
    inlines = (AttemptRows,)
    actions = ("send_again",)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may send again."""
        return request.user.has_perm("webhooks.change_delivery")

    @admin.action(description="Send again", permissions=["replay"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Send the chosen events again; say which could not be."""
        count = 0
        for delivery in queryset.select_related("endpoint"):
            try:
                delivery_replay(delivery=delivery)
                count += 1
            except TurnpikeError as error:
                self.message_user(request, f"{delivery}: {error.detail}", level="WARNING")
        self.message_user(request, f"{count} are sent again.")

    @admin.display(description="job")
    def job_link(self, delivery: Delivery) -> SafeString | str:
        """Link to the job that delivers it."""
        return link_to(delivery.job)
