"""Requests borrow their thread from a fixed number of them, and give it back when they wait."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import path

from api.handler import FrontDoor, Threads


def _name() -> str:
    return threading.current_thread().name


def test_a_thread_that_was_given_back_is_borrowed_again() -> None:
    async def serve() -> list[str]:
        threads = Threads(4)
        return [await threads.run(_name) for _ in range(3)]

    first, second, third = asyncio.run(serve())

    assert first == second == third


def test_no_more_is_done_at_once_than_there_are_threads() -> None:
    busy = threading.Event()

    async def serve() -> None:
        threads = Threads(1)
        first = asyncio.create_task(threads.run(busy.wait))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(threads.run(_name), timeout=0.05)
        busy.set()
        assert await first
        async with asyncio.timeout(5):
            await threads.run(_name)

    asyncio.run(serve())


def test_work_that_fails_gives_its_thread_back() -> None:
    async def serve() -> None:
        threads = Threads(1)
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 / 0)
        async with asyncio.timeout(5):
            await threads.run(_name)

    asyncio.run(serve())


def test_a_thread_is_busy_until_its_work_has_ended_even_if_nobody_waits_for_it() -> None:
    busy = threading.Event()

    async def serve() -> None:
        threads = Threads(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(threads.run(busy.wait), timeout=0.05)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(threads.run(_name), timeout=0.05)
        busy.set()
        async with asyncio.timeout(5):
            await threads.run(_name)

    asyncio.run(serve())


class _Parked:
    """Waits until it is told, and then answers something else."""

    def __init__(self) -> None:
        self.is_over = asyncio.Event()

    async def wait(self, now: HttpResponseBase, in_thread: Any) -> HttpResponseBase:
        """Wait."""
        await self.is_over.wait()
        later: HttpResponse = await in_thread(HttpResponse, b"later")
        return later


# What the view of this name hands out.
PARKED: list[_Parked] = []


def _park(_request: HttpRequest) -> HttpResponse:
    response = HttpResponse(b"now")
    response.parked = PARKED[-1]  # type: ignore[attr-defined]
    return response


closed = threading.Event()


async def _forever() -> Any:
    try:
        while True:
            yield b"."
            await asyncio.sleep(0.01)
    finally:
        closed.set()


def _stream(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_forever())


urlpatterns = [
    path("at-once/", lambda _: HttpResponse(b"now")),
    path("parked/", _park),
    path("stream/", _stream),
]


class _Client:
    """One connection, as a server of ASGI has it."""

    def __init__(self, address: str) -> None:
        self.scope = {
            "type": "http",
            "method": "GET",
            "path": address,
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
        self.sent: list[dict[str, Any]] = []
        self.has_left, self.has_begun = asyncio.Event(), asyncio.Event()
        self._received = 0

    async def receive(self) -> dict[str, Any]:
        """Send no body, and later leave."""
        self._received += 1
        if self._received == 1:
            return {"type": "http.request", "body": b""}
        await self.has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        """Take what is answered."""
        self.sent.append(message)
        if message.get("body"):
            self.has_begun.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


@pytest.fixture
def one_thread(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    settings.WEB_THREADS = 1
    settings.MIDDLEWARE = []
    closed.clear()


@pytest.mark.usefixtures("one_thread")
def test_who_waits_holds_no_thread() -> None:
    async def serve() -> None:
        parked, door = _Parked(), FrontDoor()
        PARKED.append(parked)
        waiting, other = _Client("/parked/"), _Client("/at-once/")
        first = asyncio.create_task(door(waiting.scope, waiting.receive, waiting.send))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            await door(other.scope, other.receive, other.send)
        assert (other.body, waiting.sent) == (b"now", [])
        parked.is_over.set()
        async with asyncio.timeout(5):
            await first
        assert waiting.body == b"later"

    asyncio.run(serve())


@pytest.mark.usefixtures("one_thread")
def test_a_stream_ends_when_its_client_has_left_and_holds_no_thread_until_then() -> None:
    async def serve() -> None:
        door = FrontDoor()
        reader, other = _Client("/stream/"), _Client("/at-once/")
        stream = asyncio.create_task(door(reader.scope, reader.receive, reader.send))
        async with asyncio.timeout(5):
            await reader.has_begun.wait()
        async with asyncio.timeout(5):
            await door(other.scope, other.receive, other.send)
        assert other.body == b"now"
        reader.has_left.set()
        async with asyncio.timeout(5):
            await stream

    asyncio.run(serve())

    assert closed.wait(5)


@pytest.mark.usefixtures("one_thread")
def test_who_left_before_the_answer_is_not_waited_for() -> None:
    async def serve() -> float:
        parked, door = _Parked(), FrontDoor()
        PARKED.append(parked)
        client = _Client("/parked/")
        client.has_left.set()
        began = time.monotonic()
        await door(client.scope, client.receive, client.send)
        assert client.sent == []
        return time.monotonic() - began

    assert asyncio.run(serve()) < 5
