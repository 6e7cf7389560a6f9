"""Admin pages of balances and of the ledger, to which staff add grants."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from pipelines.core.admin import WatchAdmin
from pipelines.core.errors import TurnpikeError
from pipelines.credits.models import Balance, Entry
from pipelines.credits.services import credits_grant


@admin.register(Balance)
class BalanceAdmin(WatchAdmin):
    """What each account may spend."""

    list_display = ("owner", "amount", "held")
    list_select_related = ("owner",)
    search_fields = ("owner__email", "owner__username")
    ordering = ("owner__username",)
    fields = ("owner", "amount", "held")


@admin.register(Entry)
class EntryAdmin(WatchAdmin):
    """The ledger; what staff add is given to an account, or taken back when it is negative."""

    list_display = ("created_at", "owner", "kind", "amount", "job_id", "note")
    list_filter = ("kind", "created_at")
    list_select_related = ("owner",)
    search_fields = ("id", "job_id", "owner__email", "owner__username", "note")
    autocomplete_fields = ("owner",)
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether somebody may give credits."""
        return request.user.has_perm("credits.add_entry")

    def get_fields(self, request: HttpRequest, obj: Entry | None = None) -> tuple[str, ...]:
        """Ask for what a grant needs; show all of an entry."""
        if obj is None:
            return ("owner", "amount", "note")
        return ("id", "owner", "kind", "amount", "job_id", "epoch", "note", "created_at")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form again, with the reason, when the ledger refuses."""
        try:
            return super().add_view(request, form_url, extra_context)
        except TurnpikeError as error:
            self.message_user(request, error.detail, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(
        self, request: HttpRequest, obj: Entry, form: ModelForm[Entry], change: bool
    ) -> None:
        """Grant, by the service that also moves the balance."""
        obj.pk = credits_grant(owner=obj.owner, amount=obj.amount, note=obj.note).pk
