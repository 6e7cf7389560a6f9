"""Event streams over HTTP, which can be told to break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from deploy.local.sandbox import chat_chunks
from deploy.local.sandbox.directives import Directives
from deploy.local.sandbox.generation import Generation
from deploy.local.sandbox.response_events import event, events_known, is_text
from deploy.local.sandbox.shapes import frame

# Frames that are ready together; True marks a piece of text.
Batch: TypeAlias = list[tuple[bytes, bool]]


class Disconnect(Exception):
    """The connection is to be cut here."""


class EventStream(StreamingResponse):
    """A stream of server-sent events that ends by `Disconnect` as a broken line would."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[bytes], *, on_close: Callable[[], None]) -> None:
        """Stream `content`; `on_close` is called however the stream ends."""
        super().__init__(content, headers={"Cache-Control": "no-store"})
        self._on_close = on_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream until it or the client ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_close()

    async def stream_response(self, send: Send) -> None:
        """Send all, or return without the end that HTTP demands, whereat the server hangs up."""
        try:
            await super().stream_response(send)
        except Disconnect:
            return


async def response_batches(generation: Generation, after: int = -1) -> AsyncIterator[Batch]:
    """Give the events of a response after a number, then follow it live."""
    pieces = generation.pieces()
    number = after + 1
    async for _ in generation.progress():
        known = events_known(generation)
        yield [
            (frame(event(generation, pieces, n), named=True), is_text(generation, n))
            for n in range(number, known)
        ]
        number = max(number, known)


async def chat_batches(generation: Generation) -> AsyncIterator[Batch]:
    """Give the chunks of a chat completion as they come."""
    pieces = generation.pieces()
    sent = 0
    yield [(frame(chat_chunks.opening(generation)), False)]
    async for _ in generation.progress():
        new = pieces[sent : generation.sent]
        yield [(frame(chat_chunks.piece(generation, text)), True) for text in new]
        sent += len(new)
    yield [
        *((frame(chunk), False) for chunk in chat_chunks.closing(generation)),
        (chat_chunks.DONE, False),
    ]


async def faulty(batches: AsyncIterator[Batch], directives: Directives) -> AsyncIterator[bytes]:
    """Join batches into chunks of bytes, and break off where the directives say.

    Raises:
        Disconnect: After `disconnect_after` pieces of text.
    """
    limits = [n for n in (directives.disconnect_after, directives.hang_after) if n is not None]
    left = min(limits, default=None)
    async for batch in batches:
        kept = batch if left is None else _until(batch, left)
        if kept:
            yield b"".join(data for data, _ in kept)
        if left is None:
            continue
        left -= sum(is_piece for _, is_piece in kept)
        if len(kept) < len(batch):
            await _break(directives)


async def broken(directives: Directives) -> AsyncIterator[bytes]:
    """Give nothing, in the way that the directives say: the answer to a plain request."""
    await _break(directives)
    yield b""


def _until(batch: Batch, left: int) -> Batch:
    """Cut a batch before its piece of text number `left` (from 0), if it has so many."""
    for index, (_, is_piece) in enumerate(batch):
        if is_piece and left == 0:
            return batch[:index]
        left -= is_piece
    return batch


async def _break(directives: Directives) -> None:
    if directives.hang_after is not None:
        await asyncio.Event().wait()
    raise Disconnect
