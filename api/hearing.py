"""One subscription a process: hears which jobs' texts have grown, and whose lines have changed.

What it hears is a hint. A line that was cut, or a Redis that forgot everything, is found out and
made good; until then `hears` is False, and whoever relies on it looks into the database instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from pipelines.jobs.tail import Piece, channel, job_of, piece, whole

log = structlog.get_logger(__name__)

# Seconds without a word after which Redis is asked whether the line still stands.
_SILENCE_SECONDS: Final = 5.0


class Ear:
    """Hears of the jobs that it listens for."""

    def __init__(
        self, heard: Callable[[UUID, Piece], bool], changed: Callable[[UUID], None]
    ) -> None:
        """Hear nothing yet.

        Args:
            heard: Called with each piece of a text; False when something before it was missed.
            changed: Called when a job's lines have changed, or may have.
        """
        self.hears = False
        self._heard, self._changed = heard, changed
        self._wanted: set[UUID] = set()
        self._unread: set[UUID] = set()
        self._has_unread = asyncio.Event()
        self._orders: asyncio.Queue[UUID] = asyncio.Queue()
        self._house = f"{settings.EVENTS_KEY_PREFIX}pulse"
        self._redis = Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=settings.REDIS_SOCKET_TIMEOUT,
            socket_connect_timeout=settings.REDIS_SOCKET_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )

    def listen(self, job_id: UUID) -> None:
        """Begin to listen for a job; its text is read once that works."""
        self._wanted.add(job_id)
        self._orders.put_nowait(job_id)

    def forget(self, job_id: UUID) -> None:
        """Listen for a job no more."""
        self._wanted.discard(job_id)
        self._orders.put_nowait(job_id)

    async def run(self) -> None:
        """Hear until cancelled, over one line after another."""
        while True:
            try:
                async with self._line() as line, asyncio.TaskGroup() as group:
                    group.create_task(self._listen(line))
                    group.create_task(self._order(line))
                    group.create_task(self._read())
            except* (RedisError, OSError, TimeoutError) as errors:
                if self.hears:
                    log.warning("hearing.redis_unreachable", error=str(errors.exceptions[0]))
            except* Exception:
                log.exception("hearing.bug")
            self.hears = False
            await asyncio.sleep(settings.EVENTS_RETRY_SECONDS)

    async def close(self) -> None:
        """Let go of Redis."""
        await self._redis.aclose()

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[PubSub]:
        """Open a line for all that is wanted, and one channel more: it cannot be for none."""
        self._orders = asyncio.Queue()
        async with self._redis.pubsub() as line:
            await line.subscribe(self._house, *map(channel, self._wanted))
            yield line

    async def _listen(self, line: PubSub) -> None:
        is_silent = False
        while _goes_on():
            message = await line.get_message(timeout=_SILENCE_SECONDS)
            if message is not None:
                is_silent, self.hears = False, True
                self._take(message)
            elif is_silent:
                raise TimeoutError("Redis does not answer on a line that stands.")
            else:
                is_silent = True
                await line.ping()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] not in {"subscribe", "message"}:
            return
        if message["channel"] == self._house.encode():
            return
        job_id = job_of(message["channel"])
        found = piece(message["data"]) if message["type"] == "message" else None
        if found is None:
            self._changed(job_id)
        if message["type"] == "subscribe" or (found is not None and not self._heard(job_id, found)):
            self._unread.add(job_id)
            self._has_unread.set()

    async def _order(self, line: PubSub) -> None:
        """Have the line changed as it is wanted by the time."""
        while _goes_on():
            job_id = await self._orders.get()
            if job_id in self._wanted:
                await line.subscribe(channel(job_id))
            else:
                await line.unsubscribe(channel(job_id))

    async def _read(self) -> None:
        """Read whole what was missed, many texts at once."""
        while _goes_on():
            await self._has_unread.wait()
            self._has_unread.clear()
            jobs, self._unread = list(self._unread & self._wanted), set()
            values = await self._redis.mget(map(channel, jobs)) if jobs else ()
            for job_id, value in zip(jobs, values, strict=True):
                if isinstance(value, bytes):
                    self._heard(job_id, whole(value))


def _goes_on() -> bool:
    """Whether nobody has cancelled this task.

    Before Python 3.12 a cancellation can be lost in `asyncio.wait_for`, by which redis-py sends;
    one task of a group that is left over would keep the others from ever being started again.
    """
    task = asyncio.current_task()
    return task is None or not task.cancelling()
