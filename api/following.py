"""What jobs' logs say as they grow, for all who wait or stream in this process.

However many follow one job, it is listened for once; and however many jobs are followed, the
database is read by one thread, for all of them together, when something was heard, and each
EVENTS_POLL_SECONDS for what was not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import ClassVar, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from django.conf import settings
from django.db import connections

from api.hearing import Ear
from pipelines.core.database import DATABASE_ERRORS, refresh_connection, summary
from pipelines.jobs.admission import Overloaded
from pipelines.jobs.log import Entry, Log, entries, lines_count, logs_read
from pipelines.jobs.tail import Piece

log = structlog.get_logger(__name__)

T = TypeVar("T")
# Seconds for which news is gathered before the database is read.
_GATHER_SECONDS = 0.02
_UNHEARD = Piece(-1, 0, "")


class Feed:
    """What is known of one job's log; whoever follows it reads from here."""

    def __init__(self, job_id: UUID) -> None:
        """Know nothing yet."""
        self.job_id = job_id
        self.followers = 0
        self.is_gone = False
        self.log: Log | None = None
        self.news = asyncio.Event()
        self._hot = _UNHEARD

    @property
    def has_ended(self) -> bool:
        """Whether nothing follows."""
        return self.is_gone or (self.log is not None and self.log.has_ended)

    @property
    def lines(self) -> int:
        """How many lines are known; -1 before it was looked."""
        return len(self.log.lines) if self.log is not None else -1

    def since(self, place: int) -> list[Entry]:
        """Return what a reader at a place has not had of what is known."""
        return [] if self.log is None else list(entries(self.log, self.text, place))

    @property
    def text(self) -> str:
        """The newest text, as far as it is known."""
        if self.log is None:
            return ""
        heard = self._hot.text if self._hot.generation == self.log.generation else ""
        return max(heard, self.log.text, key=len)

    def read(self, found: Log | None) -> None:
        """Take in what the database knows; None when the job is gone."""
        if found is None:
            self.is_gone = True
        elif found == self.log:
            return
        else:
            self.log = found
        self._tell()

    def hear(self, piece: Piece) -> bool:
        """Take in a piece of the text; False when something before it was missed."""
        if piece.generation < self._hot.generation:
            return True
        known = self._hot.text if piece.generation == self._hot.generation else ""
        if piece.offset > len(known):
            return False
        if len(text := known[: piece.offset] + piece.text) >= len(known):
            self._hot = Piece(piece.generation, 0, text)
            self._tell()
        return True

    def _tell(self) -> None:
        """Wake all who wait for news; who asks from now on waits for the next."""
        news, self.news = self.news, asyncio.Event()
        news.set()


class Hub:
    """The feeds of one event loop."""

    # Of the whole process: a view, in a thread of its own, asks for it.
    followers: ClassVar[int] = 0

    def __init__(self) -> None:
        """Follow nothing yet."""
        self._feeds: dict[UUID, Feed] = {}
        self._stale: set[UUID] = set()
        self._wake = asyncio.Event()
        self._ear = Ear(self._heard, self._changed)
        self._reader = ThreadPoolExecutor(1, "follower")
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def check_room(cls) -> None:
        """Raise Overloaded when FOLLOWERS_MAX clients wait or stream already."""
        if cls.followers >= settings.FOLLOWERS_MAX:
            raise Overloaded("Too many clients wait or stream here just now.")

    @asynccontextmanager
    async def follow(self, job_id: UUID) -> AsyncIterator[Feed]:
        """Follow a job for as long as the body runs.

        Raises:
            Overloaded: See `check_room`.
        """
        self.check_room()
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._ear.run()), asyncio.create_task(self._run())]
        feed = self._feeds.get(job_id)
        if feed is None:
            feed = self._feeds[job_id] = Feed(job_id)
            self._ear.listen(job_id)
        self._changed(job_id)
        feed.followers += 1
        Hub.followers += 1
        try:
            yield feed
        finally:
            Hub.followers -= 1
            feed.followers -= 1
            if not feed.followers:
                del self._feeds[job_id]
                self._ear.forget(job_id)

    async def close(self) -> None:
        """Follow nothing any more."""
        while open_tasks := [task for task in self._tasks if not task.done()]:
            for task in open_tasks:
                task.cancel()
            await asyncio.wait(open_tasks, timeout=_GATHER_SECONDS)
        self._tasks = []
        await self._ear.close()
        self._reader.submit(connections.close_all)
        self._reader.shutdown()

    def _heard(self, job_id: UUID, piece: Piece) -> bool:
        feed = self._feeds.get(job_id)
        return feed is None or feed.hear(piece)

    def _changed(self, job_id: UUID) -> None:
        self._stale.add(job_id)
        self._wake.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        next_round = loop.time()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_round):
                    await self._wake.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._wake.clear()
            stale, self._stale = self._stale, set()
            try:
                if loop.time() >= next_round:
                    next_round = loop.time() + settings.EVENTS_POLL_SECONDS
                    stale |= await self._overlooked()
                await self._look(stale & self._feeds.keys())
            except DATABASE_ERRORS as error:
                log.warning("following.database_unreachable", error=summary(error))
                self._stale |= stale
            except Exception:
                log.exception("following.bug")

    async def _overlooked(self) -> set[UUID]:
        """Name the jobs whose lines have changed although nothing was heard of it."""
        open_ids = {job_id for job_id, feed in self._feeds.items() if not feed.has_ended}
        if not self._ear.hears or not open_ids:
            return open_ids
        counts = await self._in_thread(lines_count, open_ids)
        return {
            job_id
            for job_id in open_ids & self._feeds.keys()
            if counts.get(job_id, 0) != self._feeds[job_id].lines
        }

    async def _look(self, job_ids: Collection[UUID]) -> None:
        if not job_ids:
            return
        found = await self._in_thread(logs_read, job_ids)
        for job_id in job_ids:
            if (feed := self._feeds.get(job_id)) is not None:
                feed.read(found.get(job_id))

    async def _in_thread(
        self, read: Callable[[Collection[UUID]], T], job_ids: Collection[UUID]
    ) -> T:
        def work() -> T:
            refresh_connection()
            return read(job_ids)

        return await asyncio.get_running_loop().run_in_executor(self._reader, work)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """Return the hub of the event loop that runs."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
