"""Reads of responses, each scoped to one owner, and the bounded context of one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from pipelines.chat.models import Message, Role
from pipelines.chat.selectors import Line, lines_before, within_bounds
from pipelines.core.errors import NotFound
from pipelines.responses.models import Response

if TYPE_CHECKING:
    from pipelines.accounts.models import User


def responses_of(owner: User) -> QuerySet[Response]:
    """Every response of an owner that is kept for later, newest first."""
    return (
        Response.objects.filter(owner=owner, is_stored=True).select_related("job").order_by("-id")
    )


def response_get(owner: User, response_id: UUID) -> Response:
    """Return one response; NotFound when it does not exist, is not kept, or is another's."""
    found = responses_of(owner).filter(pk=response_id).first()
    if found is None:
        raise NotFound("There is no such response.")
    return found


def response_of_job(response_id: UUID) -> Response:
    """Return what a job is to answer; NotFound when it was deleted meanwhile."""
    found = Response.objects.select_related("job").filter(pk=response_id).first()
    if found is None:
        raise NotFound("The response was deleted.")
    return found


def last_message(response: Response) -> Message:
    """Return the last message of what was said in a conversation; NotFound when it was deleted."""
    assert response.position is not None
    place = response.position + len(response.items) - 1
    found = Message.objects.filter(conversation=response.conversation_id, position=place).first()
    if found is None:
        raise NotFound("The message of this response was deleted.")
    return found


def question_text(response: Response) -> str:
    """Return what the user said last."""
    said = [one["text"] for one in response.items if one["role"] == Role.USER]
    return said[-1] if said else ""


def response_context(response: Response) -> list[Line]:
    """Read what a model is given to read, oldest first: what was said whole, and what fits before.

    Raises:
        NotFound: It was said in a conversation, and deleted there.
    """
    return within_bounds(_said_before(response), _lines(response))


def _said_before(response: Response) -> Iterable[Line]:
    """Read what stands before a response, the newest first: in its conversation, or its chain."""
    if response.conversation_id is not None and response.position is not None:
        last_message(response)
        return lines_before(response.conversation_id, response.position)
    turns = ((Line(Role.ASSISTANT, one.reply), *reversed(_lines(one))) for one in _before(response))
    return chain.from_iterable(turns)


def _lines(response: Response) -> list[Line]:
    return [Line(one["role"], one["text"]) for one in response.items]


def _before(response: Response) -> list[Response]:
    """List those that a response follows, the nearest first; one that was deleted ends the list.

    They are read by one query, by the index of their chain.
    """
    if response.previous_id is None:
        return []
    rows = Response.objects.filter(
        root=response.root,
        depth__lt=response.depth,
        depth__gte=response.depth - settings.CONTEXT_MAX_MESSAGES,
    )
    known = {row.pk: row for row in rows}
    found: list[Response] = []
    before = known.get(response.previous_id)
    while before is not None:
        found.append(before)
        before = known.get(before.previous_id) if before.previous_id else None
    return found
