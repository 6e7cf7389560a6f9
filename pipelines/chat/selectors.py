"""Reads of conversations, each scoped to one owner, and the bounded context of a turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db.models import OuterRef, QuerySet, Subquery

from pipelines.chat.models import Conversation, Message, Role
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


def conversations_with(owner: User, metadata: Mapping[str, str]) -> QuerySet[Conversation]:
    """Every conversation of an owner whose metadata says so, the newest first."""
    return conversations_of(owner).filter(
        **{f"metadata__{name}": value for name, value in metadata.items()}
    )


def conversation_get(owner: User, conversation_id: UUID) -> Conversation:
    """Return a conversation; NotFound when it does not exist or is another's."""
    conversation = conversations_of(owner).filter(pk=conversation_id).first()
    if conversation is None:
        raise NotFound("There is no such conversation.")
    return conversation


def messages_of(conversation: Conversation) -> QuerySet[Message]:
    """The messages of a conversation in their order."""
    return Message.objects.filter(conversation=conversation).order_by("position")


def messages_latest(conversation: Conversation, count: int) -> list[Message]:
    """Return the last messages of a conversation, oldest first."""
    return list(messages_of(conversation).order_by("-position")[:count])[::-1]


def reply_to(message: Message) -> Message | None:
    """Return the reply to a message, which stands at the position after it; None without one."""
    return _replies(message.conversation_id, message.position).first()


def said_by(owner: User, count: int) -> list[tuple[Message, Message | None]]:
    """Return the last messages of an owner, each with its reply; oldest first."""
    reply = _replies(OuterRef("conversation_id"), OuterRef("position"))
    own = Message.objects.filter(conversation__owner=owner, role=Role.USER)
    told = own.annotate(reply_id=Subquery(reply.values("pk")[:1])).order_by("-id")[:count]
    said = [(message, message.reply_id) for message in reversed(told)]
    replies = Message.objects.in_bulk([pk for _, pk in said if pk is not None])
    return [(message, replies.get(pk)) for message, pk in said]


def _replies(conversation_id: Any, position: Any) -> QuerySet[Message]:
    """Choose the reply to what stands at a position, both given as values or as expressions."""
    return Message.objects.filter(
        role=Role.ASSISTANT, conversation_id=conversation_id, position=position + 1
    )


def message_get(message_id: UUID) -> Message:
    """Return the message that a turn answers; NotFound when it was deleted meanwhile."""
    message = Message.objects.filter(pk=message_id).first()
    if message is None:
        raise NotFound("The message of this turn was deleted.")
    return message


def turn_context(message: Message) -> list[Line]:
    """Read the end of the conversation up to a message, oldest first, within the bounds.

    Those before it are read by index, so that a conversation of 10,000 messages costs what one of
    50 does.
    """
    asked = [Line(message.role, message.content)]
    return within_bounds(lines_before(message.conversation_id, message.position), asked)


def lines_before(conversation_id: UUID, position: int) -> Iterable[Line]:
    """Read the end of what was said in a conversation before a place, the newest first."""
    before = Message.objects.filter(conversation_id=conversation_id, position__lt=position)
    rows = before.order_by("-position").values_list("role", "content")
    return (Line(role, content) for role, content in rows[: settings.CONTEXT_MAX_MESSAGES])


def within_bounds(newest: Iterable[Line], asked: Sequence[Line]) -> list[Line]:
    """Put before what is asked, which always fits, of earlier lines what fits; oldest first.

    With it they are CONTEXT_MAX_MESSAGES lines and CONTEXT_MAX_CHARACTERS at most.
    """
    earlier: list[Line] = []
    room = settings.CONTEXT_MAX_CHARACTERS - sum(len(line.content) for line in asked)
    for line in islice(newest, max(0, settings.CONTEXT_MAX_MESSAGES - len(asked))):
        room -= len(line.content)
        if room < 0:
            break
        earlier.append(line)
    return [*reversed(earlier), *asked]
