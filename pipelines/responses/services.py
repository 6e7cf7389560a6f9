"""Writes to responses: accept one, record its answer, delete it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from pipelines.chat import charging
from pipelines.chat.models import Conversation, Message, Role
from pipelines.chat.pipeline import RETRIEVE, TURN
from pipelines.chat.services import conversation_create, positions_take, reply_record
from pipelines.core.errors import Conflict, InvalidInput, MessageTooLarge
from pipelines.jobs.admission import check_admission
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_accept, job_cancel
from pipelines.jobs.states import ACTIVE
from pipelines.knowledge.selectors import collections_searchable
from pipelines.responses.models import Response
from pipelines.responses.pipeline import RESPONSE
from pipelines.responses.selectors import last_message, response_get

if TYPE_CHECKING:
    from pipelines.accounts.models import User


@dataclass(frozen=True)
class Said:
    """One message of an input."""

    role: Role
    text: str


@dataclass(frozen=True)
class Asked:
    """What a response is asked for.

    Attributes:
        said: The input; the last one is the question.
        model: As the client names it.
        provider: Who is to answer; the default one when empty.
        provider_model: The name of the model there; its default when empty.
        instructions: What the model is told before all else.
        conversation: Where it is said, and where the answer is added.
        previous: The response that it follows.
        has_retrieval: Whether passages are looked for.
        collections: Where to look for them; everywhere the owner may look when None.
        options: What else was asked for, under OpenAI's names.
        metadata: The client's own data.
        is_background: Whether the client comes back for it.
        is_stored: Whether it can be asked for later.
    """

    said: Sequence[Said]
    model: str
    provider: str = ""
    provider_model: str = ""
    instructions: str = ""
    conversation: UUID | None = None
    previous: UUID | None = None
    has_retrieval: bool = False
    collections: Sequence[UUID] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_background: bool = False
    is_stored: bool = True


class ContextTooLong(MessageTooLarge):
    """More was said than a model is given to read."""

    code = "context_length_exceeded"
    status = 400


def response_accept(*, owner: User, asked: Asked) -> Response:
    """Write a response down, with the job that answers it.

    Raises:
        InvalidInput: Nothing was said, or a conversation and a previous response are named.
        ContextTooLong: It is longer than INPUT_MAX_CHARACTERS, or INPUT_MAX_ITEMS.
        NotFound: The conversation, the response or a collection is not the owner's.
        Conflict: The previous response has not been answered.
        Overloaded, InsufficientCredits: As of any turn.
    """
    _check(asked)
    check_admission(TURN)
    with transaction.atomic():
        response = Response(
            owner=owner,
            previous=_previous(owner, asked.previous),
            model=asked.model,
            instructions=asked.instructions,
            items=[asdict(one) for one in asked.said],
            options=dict(asked.options),
            metadata=dict(asked.metadata),
            is_background=asked.is_background,
            is_stored=asked.is_stored,
        )
        response.root = response.pk
        if response.previous is not None:
            response.root, response.depth = response.previous.root, response.previous.depth + 1
        key = _take_place(owner, response, asked)
        scope = _scope(owner, asked)
        response.job = job_accept(
            pipeline=RESPONSE,
            owner=owner,
            input={
                "response_id": str(response.pk),
                "collections": [str(pk) for pk in scope],
                "provider": asked.provider or settings.DEFAULT_PROVIDER,
                "model": asked.provider_model,
                "pinned": True,
                "asked_characters": _length(asked.said, asked.instructions),
            },
            skip=() if scope else (RETRIEVE,),
            ordering_key=key,
            metadata=asked.metadata,
        )
        response.save(force_insert=True)
        _say(response, asked.said)
        charging.turn_reserve(response.job)
    return response


def _check(asked: Asked) -> None:
    if not any(one.text.strip() for one in asked.said):
        raise InvalidInput("Nothing was said.", code="empty", field="input")
    if asked.conversation is not None and asked.previous is not None:
        raise InvalidInput(
            "A response follows another, or is said in a conversation.",
            code="mutually_exclusive",
            field="previous_response_id",
        )
    _check_length(asked.said, asked.instructions)


def _length(said: Sequence[Said], instructions: str = "") -> int:
    return len(instructions) + sum(len(one.text) for one in said)


def _check_length(said: Sequence[Said], instructions: str = "") -> None:
    if len(said) > (most := settings.INPUT_MAX_ITEMS):
        raise ContextTooLong(f"An input has at most {most} items.", field="input")
    if _length(said, instructions) > (limit := settings.INPUT_MAX_CHARACTERS):
        raise ContextTooLong(
            f"An input has at most {limit} characters, instructions included.", field="input"
        )


def _previous(owner: User, previous_id: UUID | None) -> Response | None:
    if previous_id is None:
        return None
    found = response_get(owner, previous_id)
    if not found.answer:
        raise Conflict("The previous response has not been answered.", code="not_answered")
    return found


def _scope(owner: User, asked: Asked) -> list[UUID]:
    return collections_searchable(owner.pk, asked.collections) if asked.has_retrieval else []


def _take_place(owner: User, response: Response, asked: Asked) -> str:
    """Take the places of what is said, and of its answer; return the key of their order."""
    if asked.conversation is None:
        return ""
    place = positions_take(
        owner=owner, conversation_id=asked.conversation, count=len(asked.said) + 1
    )
    response.conversation, response.position = place.conversation, place.first
    return place.ordering_key


def _say(response: Response, said: Sequence[Said]) -> None:
    """Add what was said to the conversation, if it is said in one."""
    if response.conversation is not None and response.position is not None:
        _write(response.conversation, response.position, said, response.job)


def _write(
    conversation: Conversation, first: int, said: Sequence[Said], job: Job | None = None
) -> list[Message]:
    return Message.objects.bulk_create(
        Message(
            conversation=conversation,
            job=job,
            role=one.role,
            content=one.text,
            position=first + number,
        )
        for number, one in enumerate(said)
    )


def conversation_open(
    *, owner: User, metadata: Mapping[str, Any], said: Sequence[Said]
) -> Conversation:
    """Open a conversation with what was said before.

    Raises:
        ContextTooLong: It is longer than INPUT_MAX_CHARACTERS, or INPUT_MAX_ITEMS.
    """
    with transaction.atomic():
        made = conversation_create(owner=owner, metadata=metadata)
        if said:
            items_add(owner=owner, conversation_id=made.pk, said=said)
    return made


def items_add(*, owner: User, conversation_id: UUID, said: Sequence[Said]) -> list[Message]:
    """Add to a conversation what nobody is to answer.

    Raises:
        ContextTooLong: It is longer than INPUT_MAX_CHARACTERS, or INPUT_MAX_ITEMS.
        NotFound: The conversation is not the owner's.
    """
    _check_length(said)
    with transaction.atomic():
        place = positions_take(owner=owner, conversation_id=conversation_id, count=len(said))
        return _write(place.conversation, place.first, said)


def answer_record(
    *,
    response: Response,
    text: str,
    citations: Sequence[Mapping[str, Any]],
    answer: Mapping[str, Any],
) -> None:
    """Record what was answered, and add it to the conversation, if it was said in one."""
    response.reply, response.answer = text, {**answer, "citations": list(citations)}
    response.save(update_fields=["reply", "answer"])
    if response.conversation_id is not None:
        reply_record(
            question=last_message(response),
            content=text,
            citations=citations,
            provider=answer["provider"],
            model=answer["model"],
            input_tokens=answer["input_tokens"],
            output_tokens=answer["output_tokens"],
        )


def response_delete(*, response: Response) -> None:
    """Cancel what is under way of a response, and forget it."""
    if response.job is not None and response.job.state in ACTIVE:
        job_cancel(job_id=response.job.pk)
    response.delete()
