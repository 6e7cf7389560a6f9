"""Credits: what can be spent, what a turn costs, and the ledger."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.auth import caller
from api.schema import operation
from pipelines.chat.charging import most_used
from pipelines.credits.models import Entry, Kind
from pipelines.credits.pricing import Mode, prices
from pipelines.credits.selectors import entries_of
from pipelines.credits.services import account_open


class CreditsShape(serializers.Serializer[Any]):
    """What can be spent, in whole credits, and the prices in force."""

    balance = serializers.IntegerField(help_text="What can be spent.")
    held = serializers.IntegerField(help_text="Reserved by turns that have not ended.")
    mode = serializers.ChoiceField(choices=[mode.value for mode in Mode])
    per_turn = serializers.IntegerField()
    per_1k_input_tokens = serializers.IntegerField()
    per_1k_output_tokens = serializers.IntegerField()
    reserved_per_turn = serializers.IntegerField(
        help_text="What a turn takes until it ends: the most that it can cost."
    )


class EntryShape(serializers.Serializer[Any]):
    """One line of the ledger."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    amount = serializers.IntegerField(help_text="What the balance changed by.")
    job_id = serializers.UUIDField(allow_null=True)
    note = serializers.CharField()
    created_at = serializers.DateTimeField()


class Credits(APIView):
    """The own account's credits."""

    @operation("credits_get", {200: CreditsShape})
    def get(self, request: Request) -> Response:
        """Read what can be spent, and what a turn costs."""
        balance, now = account_open(owner_id=caller(request).pk), prices()
        body = {
            "balance": balance.amount,
            "held": balance.held,
            "mode": now.mode,
            "per_turn": now.per_turn,
            "per_1k_input_tokens": now.per_1k_input_tokens,
            "per_1k_output_tokens": now.per_1k_output_tokens,
            "reserved_per_turn": now.cost(most_used()),
        }
        return Response(CreditsShape(body).data)


class CreditEntries(ListAPIView[Entry]):
    """The own account's ledger."""

    serializer_class = EntryShape

    def get_queryset(self) -> QuerySet[Entry]:
        """Choose the caller's."""
        return entries_of(caller(self.request))

    @operation("credits_entries", {200: EntryShape(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the own entries, newest first; their sum is the balance."""
        return super().get(request, *args, **kwargs)
