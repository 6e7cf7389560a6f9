"""The ASGI handler of the front door.

Django runs a request's synchronous code in a thread of its own, made for the request and thrown
away after it, and with it the thread's database connection. Here requests borrow their thread
from a fixed number of them, so that connections stay open and their number is known. The thread
is given back before the answer is sent: whoever waits for a job, or is sent a stream, holds none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import IO, Any, TypeVar

from django.conf import settings
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.core.signals import request_started
from django.http import HttpResponseBase
from django.urls import set_script_prefix

from api.checks import log_checks
from api.errors import problem
from api.headers import guard
from pipelines.core.errors import InvalidInput

T = TypeVar("T")
Scope = dict[str, Any]
# What else is between the parts of a head: a colon, a space, the end of the line.
_BETWEEN = 4


class Threads:
    """Threads of which each does one thing at a time; the one that was busy last is taken first."""

    def __init__(self, count: int) -> None:
        """Make room for this many; a thread starts when it is first used."""
        self._free: asyncio.LifoQueue[ThreadPoolExecutor] = asyncio.LifoQueue()
        for _ in range(count):
            self._free.put_nowait(ThreadPoolExecutor(1, thread_name_prefix="request"))

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Do some work in a thread, once one is free.

        The thread is free again when the work has ended, even if nobody waits for it any more.
        """
        executor = await self._free.get()
        loop = asyncio.get_running_loop()
        done = executor.submit(copy_context().run, work, *args)

        def give_back(_done: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._free.put_nowait, executor)

        done.add_done_callback(give_back)
        return await asyncio.wrap_future(done)


class HeadTooLarge(InvalidInput):
    """The request's headers are too many or too long."""

    code = "headers_too_large"
    status = 431


class AddressTooLong(InvalidInput):
    """The request's address is too long."""

    code = "address_too_long"
    status = 414


def _oversized(scope: Scope) -> HttpResponseBase | None:
    """Refuse a head that is larger than its limits, before anything reads it."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    size = sum(len(name) + len(value) + _BETWEEN for name, value in headers)
    address = len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"])
    if address > settings.ADDRESS_MAX_BYTES:
        return guard(problem(AddressTooLong()))
    if len(headers) > settings.HEADERS_MAX or size > settings.HEADERS_MAX_BYTES:
        return guard(problem(HeadTooLarge()))
    return None


class FrontDoor(ASGIHandler):
    """Django's handler, with synchronous middleware and views, and asynchronous answers."""

    def __init__(self) -> None:
        """Load the middleware; the parent would load it as asynchronous."""
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)
        self._threads = Threads(settings.WEB_THREADS)
        log_checks()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one request until it is answered, or until nobody waits for the answer."""
        if scope["type"] != "http":
            raise ValueError(f"This serves HTTP, not {scope['type']}.")
        if refused := _oversized(scope):
            await self.send_response(refused, send)
            return
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        serving = asyncio.create_task(self._serve(scope, body, send))
        leaving = asyncio.create_task(receive())
        try:
            await asyncio.wait({serving, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not serving.done():
                serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving

    async def _serve(
        self, scope: Scope, body: IO[bytes], send: Callable[..., Awaitable[None]]
    ) -> None:
        request, refusal = self.create_request(scope, body)
        if request is None:
            body.close()
            assert refusal is not None  # one of the two
            await self.send_response(refusal, send)
            return
        response = await self._threads.run(self._respond, scope, request)
        if (parked := getattr(response, "parked", None)) is not None:
            response = await parked.wait(response, self._threads.run)
        try:
            await self.send_response(response, send)
        finally:
            if response.streaming:
                await self._threads.run(response.close)

    def _respond(self, scope: Scope, request: ASGIRequest) -> HttpResponseBase:
        """Run the middleware and the view; close at once what is not streamed."""
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=type(self), scope=scope)
        response = self.get_response(request)
        response._handler_class = type(self)  # type: ignore[attr-defined]  # noqa: SLF001 - as the parent does
        if not response.streaming:
            response.close()
        return response
