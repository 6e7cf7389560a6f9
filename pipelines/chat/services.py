"""Writes to conversations: accept a turn, record its reply."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from pipelines.chat import charging
from pipelines.chat.models import Conversation, Message, Role
from pipelines.chat.pipeline import RETRIEVE, TURN
from pipelines.core.errors import InvalidInput, MessageTooLarge, NotFound
from pipelines.jobs.admission import check_admission
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_accept, lane_cancel
from pipelines.jobs.shares import BULK, INTERACTIVE
from pipelines.knowledge.selectors import collections_searchable

if TYPE_CHECKING:
    from pipelines.accounts.models import User


# The tier's name in the API -> the job's priority.
TIERS = {"default": INTERACTIVE, "flex": BULK}


@dataclass(frozen=True)
class Turn:
    """An accepted turn."""

    job: Job
    conversation: Conversation
    message: Message


@dataclass(frozen=True)
class Place:
    """Positions that were taken in a conversation, which is locked: the first of them."""

    conversation: Conversation
    first: int

    @property
    def ordering_key(self) -> str:
        """The key by which what is said there is answered in its order."""
        return _ordering_key(self.conversation.pk)


def check_message(text: str) -> str:
    """Return the text of a message as it is kept.

    Raises:
        InvalidInput: It is empty, holds a NUL, or half of a surrogate pair.
        MessageTooLarge: It is longer than MESSAGE_MAX_CHARACTERS.
    """
    if not text.strip():
        raise InvalidInput("A message cannot be empty.", code="empty", field="message")
    if "\0" in text:
        raise InvalidInput("A message cannot hold a NUL.", code="nul_byte", field="message")
    if len(text) > (limit := settings.MESSAGE_MAX_CHARACTERS):
        raise MessageTooLarge(f"A message has at most {limit} characters.", field="message")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            "A message must be valid Unicode.", code="not_utf8", field="message"
        ) from error
    return text


def check_metadata(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a client's metadata; MessageTooLarge beyond METADATA_MAX_BYTES of JSON."""
    if len(json.dumps(metadata)) > (limit := settings.METADATA_MAX_BYTES):
        raise MessageTooLarge(f"Metadata has at most {limit} bytes of JSON.", field="metadata")
    return metadata


def conversation_create(
    *,
    owner: User,
    title: str = "",
    metadata: Mapping[str, Any] | None = None,
    instructions: str = "",
) -> Conversation:
    """Open a conversation; with instructions, they are its first message."""
    kept = dict(check_metadata(metadata or {}))
    if not instructions:
        return Conversation.objects.create(owner=owner, title=title, metadata=kept)
    with transaction.atomic():
        made = Conversation.objects.create(owner=owner, title=title, metadata=kept, next_position=1)
        Message.objects.create(
            conversation=made, role=Role.SYSTEM, content=instructions, position=0
        )
    return made


def conversation_rename(*, conversation: Conversation, title: str) -> Conversation:
    """Give a conversation another title."""
    conversation.title = title
    conversation.save(update_fields=["title"])
    return conversation


def conversation_describe(
    *, conversation: Conversation, metadata: Mapping[str, Any]
) -> Conversation:
    """Give a conversation other metadata."""
    conversation.metadata = dict(check_metadata(metadata))
    conversation.save(update_fields=["metadata"])
    return conversation


def message_delete(*, message: Message) -> None:
    """Take a message out of its conversation; what is under way is answered without it."""
    message.delete()


def conversation_delete(*, conversation: Conversation) -> None:
    """Cancel what is under way in a conversation and delete it with its messages."""
    with transaction.atomic():
        Conversation.objects.select_for_update(no_key=True).filter(pk=conversation.pk).first()
        lane_cancel(_ordering_key(conversation.pk))
        conversation.delete()


def _ordering_key(conversation_id: UUID) -> str:
    return f"conversation:{conversation_id}"


def turn_accept(
    *,
    owner: User,
    message: str,
    conversation_id: UUID | None = None,
    collections: Sequence[UUID] | None = None,
    provider: str = "",
    model: str = "",
    metadata: Mapping[str, Any] | None = None,
    deadline: datetime | None = None,
    service_tier: str = "default",
) -> Turn:
    """Write a turn down: the message, and the job that answers it, in one transaction.

    Args:
        owner: Who speaks.
        message: What is said.
        conversation_id: Where; a new conversation when None.
        collections: Where to look for passages; everywhere the owner may look when None.
        provider: One of the allowed providers, or the owner's preference when empty.
        model: A model of that provider, or its default when empty.
        metadata: The client's own data.
        deadline: When the job ends as failed if it has not ended before.
        service_tier: "default", or "flex" for bulk work that everything else overtakes.

    Raises:
        InvalidInput, MessageTooLarge: The message cannot be accepted.
        NotFound: The conversation or a collection does not exist or is another's.
        Overloaded: Ready work waits too long already; try again later.
        InsufficientCredits: The owner's balance does not cover the most that a turn can cost.
    """
    text, kept = check_message(message), check_metadata(metadata or {})
    choice = _choice(owner, provider, model)
    check_admission(TURN)
    with transaction.atomic():
        title = " ".join(text.split())[:80]
        place = positions_take(owner=owner, conversation_id=conversation_id, count=2, title=title)
        conversation = place.conversation
        scope = collections_searchable(owner.pk, collections)
        said = Message(
            conversation=conversation, role=Role.USER, content=text, position=place.first
        )
        said.job = job_accept(
            pipeline=TURN,
            owner=owner,
            input={
                "conversation_id": str(conversation.pk),
                "message_id": str(said.pk),
                "collections": [str(pk) for pk in scope],
                **choice,
            },
            skip=() if scope else (RETRIEVE,),
            ordering_key=place.ordering_key,
            priority=TIERS[service_tier],
            metadata=kept,
            deadline=deadline,
        )
        said.save(force_insert=True)
        charging.turn_reserve(said.job)
    return Turn(said.job, conversation, said)


def _choice(owner: User, provider: str, model: str) -> dict[str, Any]:
    """Choose the provider and the model: the request's, else the owner's, else the default.

    What the request names itself is pinned: no other provider answers in its place.
    """
    wanted = provider or str(owner.preferences.get("provider", ""))
    if provider and provider not in settings.PROVIDERS:
        raise InvalidInput(
            f"The provider must be one of: {', '.join(settings.PROVIDERS)}.",
            code="unknown_provider",
            field="provider",
        )
    name = wanted if wanted in settings.PROVIDERS else settings.DEFAULT_PROVIDER
    preferred = str(owner.preferences.get("model", "")) if name == wanted else ""
    return {"provider": name, "model": model or preferred, "pinned": bool(provider or model)}


def positions_take(
    *, owner: User, conversation_id: UUID | None, count: int, title: str = ""
) -> Place:
    """Lock a conversation, or open one of this title, and take its next positions.

    Raises:
        NotFound: It does not exist or is another's.
    """
    if conversation_id is None:
        made = Conversation.objects.create(owner=owner, title=title, next_position=count)
        return Place(made, 0)
    found = (
        Conversation.objects.select_for_update(no_key=True)
        .filter(pk=conversation_id, owner=owner)
        .first()
    )
    if found is None:
        raise NotFound("There is no such conversation.")
    place = Place(found, found.next_position)
    found.next_position, found.updated_at = found.next_position + count, timezone.now()
    found.save(update_fields=["next_position", "updated_at"])
    return place


def reply_record(
    *,
    question: Message,
    content: str,
    citations: Sequence[Mapping[str, Any]],
    provider: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
) -> Message:
    """Record the reply to a message, at the position that was kept for it."""
    return Message.objects.create(
        conversation_id=question.conversation_id,
        job_id=question.job_id,
        role=Role.ASSISTANT,
        content=content,
        position=question.position + 1,
        citations=list(citations),
        provider=provider,
        model=model,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
    )


def wants_report(reply: str) -> bool:
    """Whether a reply holds one of the REPORT_TRIGGERS, whatever its case and spacing."""
    said = " ".join(reply.split()).casefold()
    return any(" ".join(phrase.split()).casefold() in said for phrase in settings.REPORT_TRIGGERS)
