"""`/v1/responses`: create, retrieve, stream, cancel, delete, and what was said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response as Answer

from api.auth import caller
from api.contracts.openai import ids
from api.contracts.openai.errors import Malformed, Unsupported
from api.contracts.openai.events import NOTHING, View, events_since, view_of_kept
from api.contracts.openai.reading import (
    Parameters,
    metadata_in,
    model_in,
    paging_in,
    provider_of,
    refuse_queried,
    said_in,
)
from api.contracts.openai.schema import described
from api.contracts.openai.shapes import input_item, listed, response_body, standing_of
from api.contracts.openai.views import Asking, OpenAIView, awaited, key_of
from api.following import Feed, Hub, hub
from api.polling import rendered
from api.streams import KEEP_ALIVE, event_stream, wait_for_news
from pipelines.core.errors import Conflict, NotFound
from pipelines.jobs.services import job_cancel
from pipelines.jobs.states import ACTIVE
from pipelines.responses import services
from pipelines.responses.models import Response
from pipelines.responses.selectors import response_get
from pipelines.responses.services import Asked

# What OpenAI has; what of it is not read below is refused as not supported.
_KNOWN = frozenset({
    "access_programs", "background", "context_management", "conversation", "image", "include",
    "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model",
    "moderation", "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key",
    "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier",
    "service_tier", "store", "stream", "stream_options", "temperature", "text", "tool_choice",
    "tools", "top_logprobs", "top_p", "truncation", "user",
})  # fmt: skip
_PLAIN_TEXT = {"format": {"type": "text"}}


def read_asked(body: dict[str, Any], *, has_retrieval: bool = False) -> tuple[Asked, bool]:
    """Read the body of a create; return what is asked, and whether it is to be streamed.

    With `has_retrieval`, a request that says nothing of tools is answered from all knowledge.

    Raises:
        Malformed, Unknown, Unsupported: A parameter is not of its form, or not supported.
    """
    given = Parameters(body, _KNOWN)
    model = model_in(given)
    provider, provider_model = provider_of(model)
    tools = _tools(given.take("tools", list, []))
    options = {
        "max_output_tokens": given.count("max_output_tokens"),
        "temperature": given.number("temperature", 0, 2),
        "top_p": given.number("top_p", 0, 1),
        "user": given.find("user", str),
        "tools": tools or None,
        "tool_choice": given.choice("tool_choice", "auto", "none"),
    }
    is_free = options["tool_choice"] == "auto"
    asked = Asked(
        said=said_in(given.take("input", object, ""), "input"),
        model=model,
        provider=provider,
        provider_model=provider_model,
        instructions=given.take("instructions", str, ""),
        conversation=_conversation(given.find("conversation", object)),
        previous=_id(ids.RESPONSE, given.find("previous_response_id", str)),
        has_retrieval=is_free and (has_retrieval or bool(tools)),
        collections=_stores(tools),
        options={name: value for name, value in options.items() if value is not None},
        metadata=metadata_in(given),
        is_background=given.take("background", bool, False),
        is_stored=given.take("store", bool, True),
    )
    is_stream = given.take("stream", bool, False)
    given.neutral("parallel_tool_calls", True)
    given.neutral("service_tier", "auto", "default")
    given.neutral("truncation", "auto", "disabled")
    given.neutral("text", {}, _PLAIN_TEXT)
    given.neutral("stream_options", {}, {"include_obfuscation": False})
    given.neutral("include", [])
    given.close()
    return asked, is_stream


def _tools(tools: list[Any]) -> list[dict[str, Any]]:
    """Read the tools: the search in collections, as in vector stores, is the one that there is."""
    for number, tool in enumerate(tools):
        path = f"tools[{number}]"
        if not isinstance(tool, dict):
            raise Malformed(f"'{path}' is an object.", field=path)
        if tool.get("type") != "file_search":
            raise Unsupported(f"Unsupported tool: '{tool.get('type')}'.", field=f"{path}.type")
        if further := sorted(tool.keys() - {"type", "vector_store_ids"}):
            raise Unsupported(f"Unsupported: '{path}.{further[0]}'.", field=f"{path}.{further[0]}")
        stores = tool.get("vector_store_ids")
        if not isinstance(stores, list) or not all(isinstance(one, str) for one in stores):
            name = f"{path}.vector_store_ids"
            raise Malformed(f"'{name}' is a list of ids.", field=name)
    return tools


def _stores(tools: list[dict[str, Any]]) -> list[UUID] | None:
    if not tools:
        return None
    return [ids.meant(ids.STORE, one) for tool in tools for one in tool["vector_store_ids"]]


def _conversation(given: Any) -> UUID | None:
    named = given.get("id") if isinstance(given, dict) else given
    if named is not None and not isinstance(named, str):
        raise Malformed("'conversation' is an id.", field="conversation")
    return _id(ids.CONVERSATION, named)


def _id(word: str, text: str | None) -> UUID | None:
    return None if text is None else ids.meant(word, text)


class Responses(Asking):
    """Responses."""

    @described("responses_create", streams=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Ask for a response: at once, as a stream, or to come back for."""
        asked, is_stream = read_asked(
            dict(request.data), has_retrieval=key_of(request).has_retrieval
        )
        if is_stream:
            Hub.check_room()
        accept = partial(services.response_accept, owner=caller(request), asked=asked)
        response = self.accepted(request, accept, Response)
        if is_stream:
            return _stream(response, NOTHING)
        return _rendered(response) if asked.is_background else awaited(response, _rendered)


class ResponseView(OpenAIView):
    """One response."""

    @described("responses_retrieve", streams=True)
    def get(self, request: Request, response_id: str) -> HttpResponseBase:
        """Retrieve a response, as it is or as a stream from any event on."""
        refuse_queried(request, "include", "include_obfuscation")
        found = _get(request, response_id)
        if request.query_params.get("stream") != "true":
            return _rendered(found)
        if not found.is_background:
            raise Malformed("Only a background response can be streamed again.", field="stream")
        Hub.check_room()
        return _stream(found, _after(request))

    @described("responses_delete")
    def delete(self, request: Request, response_id: str) -> Answer:
        """Delete a response."""
        services.response_delete(response=_get(request, response_id))
        return Answer({"id": response_id, "object": "response", "deleted": True})


class ResponseCancel(OpenAIView):
    """Cancelling."""

    @described("responses_cancel")
    def post(self, request: Request, response_id: str) -> HttpResponse:
        """Cancel a background response; one that was cancelled stays so."""
        found = _get(request, response_id)
        if not found.is_background:
            raise Conflict("Only a background response can be cancelled.", code="not_background")
        if found.job is not None and found.job.state in ACTIVE:
            found.job = job_cancel(job_id=found.job.pk)
        return _rendered(found)


class ResponseInputItems(OpenAIView):
    """What was said."""

    @described("responses_input_items")
    def get(self, request: Request, response_id: str) -> Answer:
        """List the input of a response."""
        found, paging = _get(request, response_id), paging_in(request)
        items = [input_item(found, number) for number in range(len(found.items))]
        if not paging.is_ascending:
            items.reverse()
        if paging.after is not None:
            places = [number for number, item in enumerate(items) if item["id"] == paging.after]
            if not places:
                raise NotFound("There is no such item.")
            items = items[places[0] + 1 :]
        has_more = len(items) > paging.limit
        return Answer(listed(items[: paging.limit], has_more=has_more))


def _get(request: Request, response_id: str) -> Response:
    return response_get(caller(request), ids.meant(ids.RESPONSE, response_id))


def _rendered(response: Response) -> HttpResponse:
    return rendered(response_body(response, standing_of(response)))


def _after(request: Request) -> int:
    raw = request.query_params.get("starting_after", "")
    if raw and not (raw.isascii() and raw.isdigit() and len(raw) < 17):
        raise Malformed("'starting_after' is a number of an event.", field="starting_after")
    return int(raw) if raw else NOTHING


def _stream(response: Response, after: int) -> HttpResponseBase:
    return event_stream(_events(response, after))


async def _events(response: Response, after: int) -> AsyncIterator[bytes]:
    if response.job_id is None:
        kept = events_since(view_of_kept(response), after)
        yield b"".join(event.encoded() for event in kept)
        return
    async with hub().follow(response.job_id) as feed:
        while True:
            news = feed.news
            if batch := list(_known(response, feed, after)):
                after = batch[-1].number
                yield b"".join(event.encoded() for event in batch)
            elif feed.has_ended:
                return
            elif not await wait_for_news(news):
                yield KEEP_ALIVE


def _known(response: Response, feed: Feed, after: int) -> Any:
    if feed.log is None:
        return ()
    return events_since(View(response, feed.log, feed.text), after)
