"""Admin pages of e-mails."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from pipelines.core.admin import WatchAdmin, link_to
from pipelines.mail import sending
from pipelines.mail.models import Email


@admin.register(Email)
class EmailAdmin(WatchAdmin):
    """E-mails, without their texts, which may hold links for the mailbox's owner alone."""

    list_display = ("subject", "to", "state", "transport", "created_at", "sent_at")
    list_filter = ("state", "transport", "created_at")
    search_fields = ("id", "to", "subject", "message_id")
    ordering = ("-id",)
    fields = (
        "id",
        "owner",
        "job_link",
        "state",
        "message_id",
        "to",
        "subject",
        "attachments",
        "transport",
        "provider_id",
        "created_at",
        "sent_at",
    )
    readonly_fields = ("job_link",)
    actions = ("arrived", "did_not_arrive")

    @admin.action(description="It arrived: close as sent")
    def arrived(self, request: HttpRequest, emails: QuerySet[Email]) -> None:
        """Close uncertain e-mails that the provider's log shows as accepted."""
        self._resolve(request, emails, arrived=True)

    @admin.action(description="It did not arrive: may be sent by replaying its job")
    def did_not_arrive(self, request: HttpRequest, emails: QuerySet[Email]) -> None:
        """Free uncertain e-mails for a second sending."""
        self._resolve(request, emails, arrived=False)

    def _resolve(self, request: HttpRequest, emails: QuerySet[Email], *, arrived: bool) -> None:
        count = sum(sending.email_resolve(email_id=email.pk, arrived=arrived) for email in emails)
        self.message_user(request, f"{count} uncertain e-mails resolved.")

    @admin.display(description="job")
    def job_link(self, email: Email) -> SafeString | str:
        """Link to the job that sends the e-mail."""
        return link_to(email.job)
