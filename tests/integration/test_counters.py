"""Counters of requests in a real Redis, shared, and what becomes of them without it."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from limits import parse
from pytest_django import Settings

from api.counters import Counters
from tests.acceptance.chaos.redis_server import RedisServer, private_redis
from tests.acceptance.stack import until
from tests.integration.rivals import at_once

RATE = parse("50/hour")
# Its timeout, and what a busy machine adds.
HELD_SECONDS = 0.6


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[RedisServer]:
    with private_redis(tmp_path_factory.mktemp("redis")) as redis:
        settings.REDIS_URL = f"redis://127.0.0.1:{redis.port}/0"
        settings.THROTTLE_TIMEOUT = 0.2
        settings.THROTTLE_PAUSE_SECONDS = 0.5
        yield redis


def _left(counters: Counters, who: str = "ada") -> int:
    return counters.hit("user", RATE, who).left


def _counted_there(server: RedisServer, counters: Counters, who: str) -> bool:
    """Count once more, and look whether Redis knows of it."""
    _left(counters, who)
    with server.client() as client:
        return any(client.scan_iter(f"*{who}*"))


@pytest.mark.usefixtures("server")
def test_processes_share_what_they_count() -> None:
    one, other = Counters(), Counters()

    assert [_left(one), _left(other), _left(one)] == [49, 48, 47]
    assert _left(other, "bob") == 49


@pytest.mark.usefixtures("server")
def test_of_many_at_once_as_many_pass_as_may() -> None:
    doors = [Counters() for _ in range(4)]
    passed = at_once(lambda number: doors[number % 4].hit("user", RATE, "ada").is_within, 80)

    assert Counter(passed) == {True: 50, False: 30}


def test_a_frozen_redis_holds_nobody_and_is_asked_by_one_at_a_time(server: RedisServer) -> None:
    counters = Counters()
    assert _left(counters) == 49
    server.send(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert _left(counters) == 49  # its own count begins
        assert time.monotonic() - began < HELD_SECONDS

        began = time.monotonic()
        assert [_left(counters) for _ in range(20)] == list(range(48, 28, -1))
        assert time.monotonic() - began < HELD_SECONDS
    finally:
        server.send(signal.SIGCONT)

    until(lambda: _counted_there(server, counters, "bob"), seconds=10)


def test_a_frozen_redis_lets_nobody_past_the_limit(server: RedisServer) -> None:
    counters = Counters()
    server.send(signal.SIGSTOP)
    try:
        passed = [counters.hit("user", RATE, "ada").is_within for _ in range(60)]
    finally:
        server.send(signal.SIGCONT)

    assert Counter(passed) == {True: 50, False: 10}


def test_a_dead_redis_that_comes_back_is_used_again(server: RedisServer) -> None:
    counters = Counters()
    server.stop()
    assert [_left(counters), _left(counters)] == [49, 48]
    server.start()

    until(lambda: _counted_there(server, counters, "bob"), seconds=10)
    assert _left(counters) == 49


def test_a_full_redis_refuses_nobody(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("maxmemory", 1)
    counters = Counters()

    assert [_left(counters), _left(counters)] == [49, 48]
