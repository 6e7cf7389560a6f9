"""A job's log as server-sent events: from any place in it, live, and resumed without a gap."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.views import APIView

from api.auth import caller
from api.following import Feed, Hub, hub
from api.negotiation import AsItIs
from api.schema import STREAMED, operation
from pipelines.core.errors import InvalidInput
from pipelines.jobs.log import START, Entry, entries, log_get

_NUMBER = re.compile(r"\d{1,16}", re.ASCII)
KEEP_ALIVE = b": keep-alive\n\n"
# Milliseconds after which a browser comes back that was cut off; said first, so that it is known.
_RETRY = b"retry: 1000\n\n"

_STARTING_AFTER = OpenApiParameter(
    "starting_after",
    {"type": "integer", "minimum": 0},
    OpenApiParameter.QUERY,
    description="The `sequence_number` of the last event that was read; what follows it is sent.",
)
_LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="The same, as browsers send it by themselves; it goes before the query.",
)


def asked_place(request: Request) -> int:
    """Return where in the log a client stands; raises InvalidInput for what is no number."""
    names = {"Last-Event-ID": request.headers, "starting_after": request.query_params}
    for name, given in names.items():
        raw = given.get(name)
        if raw and not _NUMBER.fullmatch(raw):
            raise InvalidInput(
                f"{name} is the number of an event.", code="invalid_sequence_number", field=name
            )
        if raw:
            return int(raw)
    return START


async def news_of(feed: Feed, place: int) -> AsyncIterator[Sequence[Entry]]:
    """Yield what a reader has not had, as it comes, up to the job's end.

    Nothing, after EVENTS_KEEPALIVE_SECONDS in which there was nothing.
    """
    while True:
        news = feed.news
        if found := feed.since(place):
            place = found[-1].number
            yield found
        elif feed.has_ended:
            return
        elif not await wait_for_news(news):
            yield ()


async def wait_for_news(news: asyncio.Event) -> bool:
    """Wait for EVENTS_KEEPALIVE_SECONDS at most; return whether there is any."""
    with suppress(TimeoutError):
        async with asyncio.timeout(settings.EVENTS_KEEPALIVE_SECONDS):
            await news.wait()
    return news.is_set()


class JobEvents(APIView):
    """The log of a job."""

    content_negotiation_class = AsItIs
    # A HEAD would go on for as long as the stream that it leaves out.
    http_method_names = ["get", "options"]

    @operation(
        "jobs_events",
        {(200, "text/event-stream"): STREAMED, 204: None},
        parameters=[_LAST_EVENT_ID, _STARTING_AFTER],
    )
    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        """Follow what happens to a job, and the text that it writes, as server-sent events.

        The events are lines of the log, `text.delta` with a piece of the text, and last how the
        job ended. After `text.restarted` the text begins afresh. 204 says that nothing follows.
        """
        place = asked_place(request)
        known = log_get(caller(request), job_id)
        if known.has_ended and not any(entries(known, known.text, place)):
            return HttpResponse(status=204)
        Hub.check_room()
        return event_stream(_events(job_id, place))


def event_stream(events: AsyncIterator[bytes]) -> StreamingHttpResponse:
    """Answer with server-sent events, which nobody on the way keeps or holds back."""
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def _events(job_id: UUID, place: int) -> AsyncIterator[bytes]:
    async with hub().follow(job_id) as feed:
        yield _RETRY
        async for batch in news_of(feed, place):
            yield b"".join(_event(feed, entry) for entry in batch) or KEEP_ALIVE


def _event(feed: Feed, entry: Entry) -> bytes:
    kind = entry.line.kind if entry.line else "text.delta"
    body = {"type": kind, "sequence_number": entry.number, "job_id": str(feed.job_id)}
    data = json.dumps({**body, **_content(feed, entry)}, ensure_ascii=False)
    return f"id: {entry.number}\nevent: {kind}\ndata: {data}\n\n".encode()


def _content(feed: Feed, entry: Entry) -> dict[str, Any]:
    line = entry.line
    if line is None:
        return {"delta": entry.delta}
    body: dict[str, Any] = {"created_at": line.at.isoformat()}
    if line.step:
        body |= {"step": line.step, "attempt": line.attempt}
    if line.detail:
        body["detail"] = line.detail
    if line.ends_job and feed.log is not None:
        body |= {"result": feed.log.output, "error": feed.log.error}
    return body
