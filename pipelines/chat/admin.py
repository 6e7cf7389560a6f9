"""Admin pages of conversations."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
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

    def erase(self, obj: Conversation) -> None:
        """Cancel what is under way and delete."""
        conversation_delete(conversation=obj)
