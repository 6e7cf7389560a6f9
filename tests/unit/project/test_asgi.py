"""Requests borrow their thread from a fixed number of them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from project.asgi import Threads


def test_a_thread_that_was_given_back_is_borrowed_again() -> None:
    async def serve() -> list[str]:
        threads, names = Threads(4), []
        for _ in range(3):
            async with threads.borrow() as executor:
                names.append(executor.submit(lambda: threading.current_thread().name).result())
        return names

    first, second, third = asyncio.run(serve())

    assert first == second == third


def test_no_more_requests_are_served_at_once_than_there_are_threads() -> None:
    async def serve() -> None:
        threads = Threads(1)
        async with threads.borrow():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(threads.borrow().__aenter__(), timeout=0.05)
        async with asyncio.timeout(1), threads.borrow():
            pass

    asyncio.run(serve())


def test_a_request_that_fails_gives_its_thread_back() -> None:
    async def serve() -> None:
        threads = Threads(1)
        with pytest.raises(RuntimeError):
            async with threads.borrow():
                raise RuntimeError
        async with asyncio.timeout(1), threads.borrow():
            pass

    asyncio.run(serve())
