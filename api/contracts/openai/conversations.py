"""`/v1/conversations` and their items, which are the messages of our own."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from api.auth import caller
from api.contracts.openai import ids
from api.contracts.openai.errors import Malformed
from api.contracts.openai.reading import Parameters, metadata_in, paging_in, said_in
from api.contracts.openai.schema import described
from api.contracts.openai.shapes import listed, text_part
from api.contracts.openai.views import OpenAIView
from api.idempotency import Creating
from pipelines.chat import selectors, services
from pipelines.chat.models import Conversation, Message, Role
from pipelines.core.errors import NotFound
from pipelines.responses.services import conversation_open, items_add

_ITEMS_MAX = 20


class Conversations(OpenAIView, Creating):
    """Conversations."""

    @described("conversations_create")
    def post(self, request: Request) -> Response:
        """Open a conversation, with what was said in it before."""
        given = Parameters(dict(request.data), frozenset())
        said, metadata = _said(given), metadata_in(given)
        given.close()
        made = conversation_open(owner=caller(request), metadata=metadata, said=said)
        return Response(_shown(made))


class ConversationView(OpenAIView):
    """One conversation."""

    @described("conversations_retrieve")
    def get(self, request: Request, conversation_id: str) -> Response:
        """Read a conversation."""
        return Response(_shown(_get(request, conversation_id)))

    @described("conversations_update")
    def post(self, request: Request, conversation_id: str) -> Response:
        """Give a conversation other metadata."""
        given = Parameters(dict(request.data), frozenset())
        metadata = metadata_in(given)
        given.close()
        found = _get(request, conversation_id)
        return Response(
            _shown(services.conversation_describe(conversation=found, metadata=metadata))
        )

    @described("conversations_delete")
    def delete(self, request: Request, conversation_id: str) -> Response:
        """Delete a conversation with its items."""
        services.conversation_delete(conversation=_get(request, conversation_id))
        return Response({"id": conversation_id, "object": "conversation.deleted", "deleted": True})


class Items(OpenAIView, Creating):
    """The items of a conversation."""

    @described("items_list")
    def get(self, request: Request, conversation_id: str) -> Response:
        """List the items, the newest first unless they are wanted otherwise."""
        found, paging = _get(request, conversation_id), paging_in(request)
        rows = selectors.messages_of(found)
        if paging.after is not None:
            place = _message(found, paging.after).position
            beyond = "position__gt" if paging.is_ascending else "position__lt"
            rows = rows.filter(**{beyond: place})
        rows = rows.order_by("position" if paging.is_ascending else "-position")
        page = [_item(message) for message in rows[: paging.limit + 1]]
        return Response(listed(page[: paging.limit], has_more=len(page) > paging.limit))

    @described("items_create")
    def post(self, request: Request, conversation_id: str) -> Response:
        """Add items that nobody is to answer."""
        found = _get(request, conversation_id)
        given = Parameters(dict(request.data), frozenset())
        said = _said(given)
        given.close()
        if not said:
            raise Malformed("'items' holds some item.", field="items")
        made = items_add(owner=caller(request), conversation_id=found.pk, said=said)
        return Response(listed([_item(message) for message in made]))


class ItemView(OpenAIView):
    """One item."""

    @described("items_retrieve")
    def get(self, request: Request, conversation_id: str, item_id: str) -> Response:
        """Read an item."""
        return Response(_item(_message(_get(request, conversation_id), item_id)))

    @described("items_delete")
    def delete(self, request: Request, conversation_id: str, item_id: str) -> Response:
        """Delete an item; the answer is its conversation, as OpenAI has it."""
        found = _get(request, conversation_id)
        services.message_delete(message=_message(found, item_id))
        return Response(_shown(found))


def _said(given: Parameters) -> Any:
    items = given.take("items", list, [])
    if len(items) > _ITEMS_MAX:
        raise Malformed(f"'items' holds at most {_ITEMS_MAX} items.", field="items")
    return said_in(items, "items")


def _get(request: Request, conversation_id: str) -> Conversation:
    pk = ids.meant(ids.CONVERSATION, conversation_id)
    return selectors.conversation_get(caller(request), pk)


def _message(conversation: Conversation, item_id: str) -> Message:
    pk = ids.meant(ids.MESSAGE, item_id)
    found = selectors.messages_of(conversation).filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such item.")
    return found


def _shown(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": ids.shown(ids.CONVERSATION, conversation.pk),
        "object": "conversation",
        "created_at": int(conversation.created_at.timestamp()),
        "metadata": conversation.metadata,
    }


def _item(message: Message) -> dict[str, Any]:
    is_answer = message.role == Role.ASSISTANT
    part = (
        text_part(message.content, message.citations)
        if is_answer
        else {"type": "input_text", "text": message.content}
    )
    return {
        "id": ids.shown(ids.MESSAGE, message.pk),
        "type": "message",
        "status": "completed",
        "role": message.role,
        "content": [part],
    }
