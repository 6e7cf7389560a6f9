"""Admin pages of conversations."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from pipelines.chat.models import Conversation, Message
from pipelines.chat.services import conversation_delete
from pipelines.core.admin import CascadeAdmin, WatchAdmin, WatchInline


class MessageInline(WatchInline):
    """The messages of a conversation."""

    model = Message
    fields = ("position", "role", "content", "provider", "model", "input_tokens", "output_tokens")


@admin.register(Conversation)
class ConversationAdmin(WatchAdmin, CascadeAdmin):
    """Conversations; staff may delete them."""

    list_display = ("__str__", "owner", "created_at", "updated_at")
    list_select_related = ("owner",)
    search_fields = ("id", "title", "owner__email", "owner__username")
    ordering = ("-id",)
    inlines = (MessageInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether somebody may delete conversations."""
        return request.user.has_perm("chat.delete_conversation")

    def delete_model(self, request: HttpRequest, obj: Conversation) -> None:
        """Delete as the API does: what is under way is cancelled."""
        conversation_delete(conversation=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> None:
        """Delete each as the API does."""
        for conversation in queryset:
            conversation_delete(conversation=conversation)
