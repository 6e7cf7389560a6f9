"""Reads of conversations, each scoped to one owner, and the bounded context of a turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from pipelines.chat.models import Conversation, Message
from pipelines.core.errors import NotFound

if TYPE_CHECKING:
    from pipelines.accounts.models import User


@dataclass(frozen=True)
class Line:
    """One message as a model reads it."""

    role: str
    content: str


def conversations_of(owner: User) -> QuerySet[Conversation]:
    """Every conversation of an owner, the newest first."""
    return Conversation.objects.filter(owner=owner).order_by("-id")


def conversation_get(owner: User, conversation_id: UUID) -> Conversation:
    """Return a conversation; NotFound when it does not exist or is another's."""
    conversation = conversations_of(owner).filter(pk=conversation_id).first()
    if conversation is None:
        raise NotFound("There is no such conversation.")
    return conversation


def messages_of(conversation: Conversation) -> QuerySet[Message]:
    """The messages of a conversation in their order."""
    return Message.objects.filter(conversation=conversation).order_by("position")


def message_get(message_id: UUID) -> Message:
    """Return the message that a turn answers; NotFound when it was deleted meanwhile."""
    message = Message.objects.filter(pk=message_id).first()
    if message is None:
        raise NotFound("The message of this turn was deleted.")
    return message


def turn_context(message: Message) -> list[Line]:
    """Read the end of the conversation up to a message, oldest first, within the bounds.

    The newest CONTEXT_MAX_MESSAGES are read by index, and of them as many as fit into
    CONTEXT_MAX_CHARACTERS; the message itself always fits. So a conversation of 10,000 messages
    costs what one of 50 does.
    """
    newest = (
        Message.objects.filter(
            conversation_id=message.conversation_id, position__lte=message.position
        )
        .order_by("-position")
        .values_list("role", "content")[: settings.CONTEXT_MAX_MESSAGES]
    )
    lines: list[Line] = []
    room = settings.CONTEXT_MAX_CHARACTERS
    for role, content in newest:
        room -= len(content)
        if lines and room < 0:
            break
        lines.append(Line(role, content))
    return lines[::-1]
