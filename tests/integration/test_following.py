"""Whoever follows a job reads its log without a gap, whatever becomes of Redis meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as project
from django.db import connection
from pytest_django import Settings
from redis import Redis

from api.following import Feed, Hub
from api.streams import news_of
from pipelines.accounts.models import User
from pipelines.chat.pipeline import FINISH, GENERATE
from pipelines.chat.services import turn_accept
from pipelines.jobs import claims
from pipelines.jobs.admission import Overloaded
from pipelines.jobs.claims import Claim, step_claim, step_recording, text_begin
from pipelines.jobs.log import RESTARTED, START, Entry
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.services import job_cancel
from pipelines.jobs.tail import Tail, channel

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs("postgres", "redis"),
    pytest.mark.skipif(
        "sqlite" in project.DATABASES["default"]["ENGINE"], reason="runs in the PostgreSQL pass"
    ),
]
T = TypeVar("T")


@pytest.fixture
def job(hot_redis: Redis) -> Job:
    owner = User.objects.create(username="ada", email="ada@example.com")
    return turn_accept(owner=owner, message="hello").job


class Worker:
    """Does the steps of a turn when a test says so."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.claim: Claim | None = None
        self.tail: Tail | None = None

    def begin(self) -> None:
        """Claim the step and begin the text, again if need be."""
        if self.claim is None:
            self.claim = self._take(GENERATE.name)
        self.tail = Tail(self.job.pk, text_begin(self.claim, text=None))

    def write(self, text: str) -> None:
        """Say more."""
        assert self.tail is not None
        self.tail.grow(text)

    def note(self, text: str) -> None:
        """Note the text in the database."""
        assert self.claim is not None
        claims.step_progress(self.claim, text=text)

    def end(self, text: str) -> None:
        """Record the text, and complete the job."""
        assert self.claim is not None
        with step_recording(self.claim) as outcome:
            outcome.output = {"text": text}
        with step_recording(self._take(FINISH.name)) as outcome:
            outcome.output = {"text": text}

    def _take(self, name: str) -> Claim:
        JobStep.objects.filter(job=self.job, name=name).update(ready_at=self.job.created_at)
        return step_claim(job_id=self.job.pk, epoch=1, name=name, worker="w", task_id="t")


async def threaded(work: Callable[..., T], *args: Any) -> T:
    """Do something in another thread, which lets go of its connection."""

    def do() -> T:
        try:
            return work(*args)
        finally:
            connection.close()

    return await sync_to_async(do, thread_sensitive=False)()


def following(scene: Callable[[Hub], Awaitable[T]]) -> T:
    """Play a scene with a hub of its own."""

    async def play() -> T:
        hub = Hub()
        try:
            async with asyncio.timeout(30):
                return await scene(hub)
        finally:
            await hub.close()

    return asyncio.run(play())


class Reader:
    """Reads a feed as a stream does, and puts the text together."""

    def __init__(self, feed: Feed, place: int = START) -> None:
        self.feed, self.place = feed, place
        self.kinds: list[str] = []
        self.text = ""

    def take(self, entry: Entry) -> None:
        """Read one entry."""
        assert entry.number > self.place
        self.place = entry.number
        if entry.line is None:
            self.text += entry.delta
            return
        self.kinds.append(entry.line.kind)
        if entry.line.kind == RESTARTED:
            self.text = ""

    async def until(self, is_enough: Callable[[], bool]) -> None:
        """Read on until it is enough, or nothing follows."""
        async for batch in news_of(self.feed, self.place):
            for entry in batch:
                self.take(entry)
            if is_enough():
                return

    async def until_text(self, text: str) -> None:
        """Read on until the text is this."""
        await self.until(lambda: self.text == text)

    async def to_the_end(self) -> None:
        """Read whatever comes."""
        await self.until(lambda: False)


def test_a_reader_sees_a_turn_from_its_beginning_to_its_end(job: Job) -> None:
    worker = Worker(job)

    async def scene(hub: Hub) -> Reader:
        async with hub.follow(job.pk) as feed:
            reader = Reader(feed)
            await threaded(worker.begin)
            for word in ("Hello", ", ", "Ada"):
                worker.write(word)
                await reader.until_text(reader.text + word)
            await threaded(worker.end, "Hello, Ada")
            await reader.to_the_end()
            return reader

    reader = following(scene)

    assert reader.text == "Hello, Ada"
    assert reader.kinds == [
        "job.queued",
        "step.started",
        "step.completed",
        "step.started",
        "step.completed",
        "job.completed",
    ]


def test_a_text_is_heard_before_it_is_in_the_database(job: Job, settings: Settings) -> None:
    settings.EVENTS_POLL_SECONDS = 60
    worker = Worker(job)

    async def scene(hub: Hub) -> str:
        await threaded(worker.begin)
        worker.write("told before")
        await asyncio.sleep(0.2)
        async with hub.follow(job.pk) as feed:
            reader = Reader(feed)
            await reader.until_text("told before")
            worker.write(", and after")
            await reader.until_text("told before, and after")
            return reader.text

    assert following(scene) == "told before, and after"


def test_a_text_that_begins_afresh_never_mixes_with_the_first(job: Job) -> None:
    worker = Worker(job)

    async def scene(hub: Hub) -> Reader:
        async with hub.follow(job.pk) as feed:
            reader = Reader(feed)
            await threaded(worker.begin)
            stale = worker.tail
            worker.write("The first text")
            await reader.until_text("The first text")
            await threaded(worker.begin)
            worker.write("The second")
            assert stale is not None
            stale.grow(", which nobody wants")
            await reader.until_text("The second")
            await threaded(worker.end, "The second.")
            await reader.to_the_end()
            return reader

    reader = following(scene)

    assert reader.text == "The second."
    assert reader.kinds.count(RESTARTED) == 1


def _cut(redis: Redis, _job_id: UUID) -> None:
    redis.client_kill_filter(_type="pubsub")


def _forget(redis: Redis, job_id: UUID) -> None:
    redis.delete(channel(job_id))


@pytest.mark.parametrize("lose", [_cut, _forget])
def test_what_redis_loses_no_reader_misses(
    job: Job, hot_redis: Redis, lose: Callable[[Redis, UUID], None]
) -> None:
    worker = Worker(job)

    async def scene(hub: Hub) -> str:
        async with hub.follow(job.pk) as feed:
            reader, text = Reader(feed), ""
            await threaded(worker.begin)
            for number in range(5):
                worker.write(f"{number} ")
                text += f"{number} "
                lose(hot_redis, job.pk)
                await reader.until_text(text)
            return reader.text

    assert following(scene) == "0 1 2 3 4 "


def test_without_redis_a_reader_lives_on_what_the_database_knows(
    job: Job, settings: Settings
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.EVENTS_POLL_SECONDS = 0.1
    worker = Worker(job)

    async def scene(hub: Hub) -> Reader:
        async with hub.follow(job.pk) as feed:
            reader = Reader(feed)
            await threaded(worker.begin)
            await threaded(worker.note, "As far as noted")
            await reader.until_text("As far as noted")
            await threaded(worker.end, "As far as noted, and whole")
            await reader.to_the_end()
            return reader

    reader = following(scene)

    assert reader.text == "As far as noted, and whole"
    assert reader.kinds[-1] == "job.completed"


def test_a_line_of_which_nothing_was_heard_is_found(job: Job, settings: Settings) -> None:
    settings.EVENTS_POLL_SECONDS = 0.2

    async def scene(hub: Hub) -> list[str]:
        async with hub.follow(job.pk) as feed:
            reader = Reader(feed)
            await reader.until(lambda: bool(reader.kinds))
            await asyncio.sleep(0.5)
            await threaded(partial(job_cancel, job_id=job.pk))
            await reader.to_the_end()
            return reader.kinds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.jobs.log.tell_on_commit", lambda _job_id: None)
        assert following(scene) == ["job.queued", "job.cancelled"]


def test_a_reader_of_a_job_that_is_deleted_comes_to_an_end(job: Job) -> None:
    async def scene(hub: Hub) -> list[str]:
        async with hub.follow(job.pk) as feed:
            reader = Reader(feed)
            await threaded(Worker(job).begin)
            await reader.until(lambda: len(reader.kinds) == 2)
            await threaded(job.delete)
            await reader.to_the_end()
            return reader.kinds

    assert following(scene) == ["job.queued", "step.started"]


def test_who_comes_back_goes_on_where_he_was(job: Job) -> None:
    worker = Worker(job)

    async def scene(hub: Hub) -> str:
        async with hub.follow(job.pk) as feed:
            reader = Reader(feed)
            await threaded(worker.begin)
            worker.write("Half")
            await reader.until_text("Half")
        worker.write(" and half")
        await threaded(worker.end, "Half and half")
        async with hub.follow(job.pk) as feed:
            later = Reader(feed, reader.place)
            await later.to_the_end()
            return later.text

    assert following(scene) == " and half"


def test_only_so_many_follow(job: Job, settings: Settings) -> None:
    settings.FOLLOWERS_MAX = 1

    async def scene(hub: Hub) -> None:
        async with hub.follow(job.pk):
            with pytest.raises(Overloaded):
                async with hub.follow(job.pk):
                    pytest.fail("there is no room")
        async with hub.follow(job.pk):
            pass

    following(scene)
    assert Hub.followers == 0


def test_a_thousand_who_follow_are_read_for_together(job: Job) -> None:
    """Given many readers of one job, one look into the database is enough for all."""
    worker = Worker(job)

    async def scene(hub: Hub) -> list[str]:
        readers: list[Reader] = []
        async with asyncio.TaskGroup() as group:

            async def read() -> None:
                async with hub.follow(job.pk) as feed:
                    reader = Reader(feed)
                    readers.append(reader)
                    await reader.to_the_end()

            for _ in range(1000):
                group.create_task(read())
            await asyncio.sleep(0.5)
            await threaded(worker.begin)
            worker.write("for all")
            await threaded(worker.end, "for all")
        return [reader.text for reader in readers]

    assert following(scene) == ["for all"] * 1000
