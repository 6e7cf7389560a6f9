"""The ASGI entry point of the front door.

Django runs a request's synchronous code in a thread of its own, made for the request and thrown
away after it, and with it the thread's database connection. Here requests borrow their thread
from a fixed number of them, so that connections stay open and their number is known.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.dev")

django_application = get_asgi_application()


class Threads:
    """Executors of one thread each; the one that was given back last is borrowed first."""

    def __init__(self, count: int) -> None:
        """Make room for this many; a thread starts when it is first used."""
        self._free: asyncio.LifoQueue[ThreadPoolExecutor] = asyncio.LifoQueue()
        for _ in range(count):
            self._free.put_nowait(ThreadPoolExecutor(1, thread_name_prefix="request"))

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[ThreadPoolExecutor]:
        """Wait for a thread, and give it back."""
        executor = await self._free.get()
        try:
            yield executor
        finally:
            self._free.put_nowait(executor)


def _threads() -> Threads:
    from django.conf import settings

    return Threads(settings.WEB_THREADS)


threads = _threads()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve one request in a borrowed thread."""
    async with threads.borrow() as executor, ThreadSensitiveContext(executor=executor):
        await django_application(scope, receive, send)
