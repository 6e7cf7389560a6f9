"""A text that grows, in a real Redis: told piece by piece, and whole again after a loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from pytest_django import Settings
from redis import Redis
from redis.client import PubSub

from pipelines.jobs.tail import Piece, Tail, channel, job_of, piece, whole

pytestmark = pytest.mark.needs("redis")


@pytest.fixture
def job_id() -> UUID:
    return uuid4()


@pytest.fixture
def line(hot_redis: Redis, job_id: UUID) -> Iterator[PubSub]:
    """Listens for the job."""
    with PubSub(hot_redis.connection_pool, ignore_subscribe_messages=True) as line:
        line.subscribe(channel(job_id))
        line.get_message(timeout=5)
        yield line


def told(line: PubSub, until: Callable[[list[Piece]], bool]) -> list[Piece]:
    """Gather what is told until it is enough."""
    found: list[Piece] = []
    deadline = time.monotonic() + 5
    while not until(found):
        assert time.monotonic() < deadline, found
        message: dict[str, Any] | None = line.get_message(timeout=0.1)
        if message is not None:
            told_piece = piece(message["data"])
            assert told_piece is not None
            found.append(told_piece)
    return found


def joined(pieces: list[Piece]) -> str:
    text = ""
    for one in pieces:
        text = text[: one.offset] + one.text
    return text


def kept(redis: Redis, job_id: UUID, text: str) -> Piece:
    """Wait until Redis has this text, and return what it has."""
    deadline = time.monotonic() + 5
    while True:
        value = redis.get(channel(job_id))
        if isinstance(value, bytes) and whole(value).text == text:
            return whole(value)
        assert time.monotonic() < deadline, value
        time.sleep(0.01)


def test_a_channel_names_its_job(job_id: UUID) -> None:
    assert job_of(channel(job_id).encode()) == job_id


def test_what_grows_is_told_and_kept(hot_redis: Redis, line: PubSub, job_id: UUID) -> None:
    tail = Tail(job_id, 0)
    for word in ("Grüße", ", ", "😀!"):
        tail.grow(word)
        time.sleep(0.05)

    pieces = told(line, lambda found: joined(found) == "Grüße, 😀!")

    assert {one.generation for one in pieces} == {0}
    assert kept(hot_redis, job_id, "Grüße, 😀!") == Piece(0, 0, "Grüße, 😀!")


def test_many_growths_are_told_together(
    hot_redis: Redis, line: PubSub, job_id: UUID, settings: Settings
) -> None:
    settings.EVENTS_FLUSH_SECONDS = 0.2
    tail = Tail(job_id, 0)
    for _ in range(100):
        tail.grow("x")

    pieces = told(line, lambda found: joined(found) == "x" * 100)

    assert len(pieces) <= 3


def test_a_text_that_redis_has_lost_is_written_whole(
    hot_redis: Redis, line: PubSub, job_id: UUID
) -> None:
    tail = Tail(job_id, 0)
    tail.grow("one ")
    kept(hot_redis, job_id, "one ")
    hot_redis.delete(channel(job_id))

    tail.grow("two")

    assert kept(hot_redis, job_id, "one two") == Piece(0, 0, "one two")
    assert told(line, lambda found: joined(found) == "one two")[-1].offset == 0


def test_a_text_that_begins_afresh_takes_the_place_of_the_one_before(
    hot_redis: Redis, job_id: UUID
) -> None:
    first = Tail(job_id, 0)
    first.grow("a first text")
    kept(hot_redis, job_id, "a first text")

    second = Tail(job_id, 1)
    second.grow("another")

    assert kept(hot_redis, job_id, "another").generation == 1


def test_a_text_fades_after_its_end(hot_redis: Redis, job_id: UUID, settings: Settings) -> None:
    tail = Tail(job_id, 0)
    tail.grow("all")
    kept(hot_redis, job_id, "all")
    assert hot_redis.ttl(channel(job_id)) > settings.EVENTS_FADE_SECONDS

    tail.close()

    deadline = time.monotonic() + 5
    while hot_redis.ttl(channel(job_id)) > settings.EVENTS_FADE_SECONDS:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_redis_that_refuses_is_told_later(hot_redis: Redis, job_id: UUID) -> None:
    """Given something else under its key, as good as a Redis without room."""
    hot_redis.lpush(channel(job_id), "in the way")
    tail = Tail(job_id, 0)
    tail.grow("one ")
    time.sleep(0.2)
    hot_redis.delete(channel(job_id))

    tail.grow("two")

    kept(hot_redis, job_id, "one two")
