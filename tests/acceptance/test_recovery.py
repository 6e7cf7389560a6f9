"""Seconds to recover: by the lease and the relays, never by the broker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest
from django.conf import settings

from tests.acceptance.chaos.redis_server import RedisServer, private_redis
from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, QUICK, Stack, running_stack, until

pytestmark = [pytest.mark.timeout(400), pytest.mark.long, pytest.mark.needs("postgres")]

GOES_ON_WITHIN = 15.0  # seconds, with the settings as they come
NOISE = 3.0  # seconds that a busy machine may add
# What this project's tests shorten elsewhere, as it comes.
DEFAULTS = {name: str(getattr(settings, name)) for name in QUICK}
LEASE = settings.LEASE_SECONDS
_WORKERS = ("llm", "llm-2")


class Scene:
    """A stack with two relays and two workers for generations, and what its tables say."""

    def __init__(self, stack: Stack, redis: RedisServer, database: str) -> None:
        """Keep them together."""
        self.stack = stack
        self.redis = redis
        self._database = database

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read rows past the product."""
        with closing(psycopg2.connect(self._database)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def generating(self, worker: str) -> set[str]:
        """The jobs whose answer a worker is at, by its name."""
        return {
            str(row[0])
            for row in self.rows(
                "SELECT job_id FROM jobs_jobstep WHERE state = 'in_progress'"
                f" AND name = 'chat.generate' AND worker LIKE '{worker}@%'"
            )
        }

    def doubled(self) -> list[tuple[Any, ...]]:
        """The steps that were completed more than once, and the turns answered more than once."""
        return self.rows(
            "SELECT job_id, step FROM jobs_jobevent WHERE type = 'step.completed'"
            " GROUP BY 1, 2 HAVING count(*) > 1"
        ) + self.rows(
            "SELECT conversation_id, sum((role = 'user')::int), sum((role = 'assistant')::int)"
            " FROM chat_message GROUP BY 1 HAVING sum((role = 'assistant')::int)"
            " <> sum((role = 'user')::int)"
        )


@pytest.fixture(scope="module")
def scene(fresh_postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    home = tmp_path_factory.mktemp("home")
    with private_redis(tmp_path_factory.mktemp("redis")) as redis:
        url = f"redis://127.0.0.1:{redis.port}/0"
        environment = {**DEFAULTS, "DATABASE_URL": fresh_postgres, "REDIS_URL": url}
        with running_stack(home, environment, only={*PLAIN_TURN, "relay-2"}) as stack:
            stack.commands["llm-2"] = stack.commands["llm"]
            stack.start("llm-2")
            yield Scene(stack, redis, fresh_postgres)


@pytest.fixture(scope="module")
def person(scene: Scene) -> Client:
    client = scene.stack.client("ada@example.com")
    client.sign_up()
    return client


def _generate(job: dict[str, Any]) -> dict[str, Any]:
    return next(step for step in job["steps"] if step["name"] == "chat.generate")


def _begin(scene: Scene, person: Client, count: int) -> tuple[list[str], str, set[str]]:
    """Send turns whose answers take a while, and wait until they are generated.

    Returns the jobs, the worker that has the most of them in hand, and which those are.
    """
    jobs = [person.turn("hello [[sandbox latency=30]]")["id"] for _ in range(count)]
    until(lambda: sum(len(scene.generating(worker)) for worker in _WORKERS) == count, seconds=60)
    held = {worker: scene.generating(worker) for worker in _WORKERS}
    victim = max(_WORKERS, key=lambda worker: len(held[worker]))
    return jobs, victim, held[victim]


def test_the_jobs_of_a_killed_worker_go_on_in_seconds(
    scene: Scene, person: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs, victim, orphans = _begin(scene, person, 6)
    killed_at = datetime.now(UTC)
    scene.stack.kill(victim)

    def second(job_id: str) -> datetime | None:
        step = _generate(person.get(f"/api/v1/jobs/{job_id}/"))
        return datetime.fromisoformat(step["started_at"]) if step["attempt"] == 2 else None

    until(lambda: all(second(job_id) for job_id in orphans), seconds=60)
    waits = [(begun - killed_at).total_seconds() for o in orphans if (begun := second(o))]
    with capsys.disabled():
        print(f"\n{len(waits)} jobs went on within {max(waits):.1f} s")  # noqa: T201
    scene.stack.start(victim)

    assert len(waits) == len(orphans)
    assert max(waits) < GOES_ON_WITHIN + NOISE
    ended = {job_id: person.wait(job_id, seconds=120) for job_id in jobs}
    assert {job["state"] for job in ended.values()} == {"completed"}
    attempts = {job_id: _generate(job)["attempt"] for job_id, job in ended.items()}
    assert attempts == {job_id: 2 if job_id in orphans else 1 for job_id in jobs}
    assert scene.doubled() == []


def test_two_relays_of_which_one_dies_and_one_sleeps_double_nothing(
    scene: Scene, person: Client
) -> None:
    jobs, victim, orphans = _begin(scene, person, 6)
    relays = ("relay", "relay-2")
    for relay in relays:
        scene.stack.suspend(relay)
    scene.stack.kill(victim)
    time.sleep(LEASE + 2)
    assert scene.generating(victim) == orphans  # nobody was there to take them back
    # Both find the same steps, at the same moment; one of them does not live to see the end.
    for relay in relays:
        scene.stack.resume(relay)
    time.sleep(settings.RELAY_INTERVAL / 2)
    scene.stack.kill("relay")
    scene.stack.start("relay", victim)

    ended = {job_id: person.wait(job_id, seconds=180) for job_id in jobs}

    assert {job["state"] for job in ended.values()} == {"completed"}
    attempts = {job_id: _generate(job)["attempt"] for job_id, job in ended.items()}
    assert attempts == {job_id: 2 if job_id in orphans else 1 for job_id in jobs}
    assert scene.doubled() == []


def test_one_relay_is_enough(scene: Scene, person: Client) -> None:
    scene.stack.kill("relay-2")
    jobs, victim, orphans = _begin(scene, person, 2)
    scene.stack.kill(victim)

    ended = {job_id: person.wait(job_id, seconds=120) for job_id in jobs}

    scene.stack.start("relay-2", victim)
    assert {job["state"] for job in ended.values()} == {"completed"}
    assert {_generate(ended[job_id])["attempt"] for job_id in orphans} == {2}


@pytest.mark.parametrize("forgets", ["flush", "restart"])
def test_what_redis_forgets_the_database_remembers(
    scene: Scene, person: Client, forgets: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given many turns that wait in Redis alone, and a Redis that forgets, all are answered."""
    workers = (*_WORKERS, "default")
    for worker in workers:
        scene.stack.suspend(worker)
    jobs = [person.turn(f"turn {number}")["id"] for number in range(60)]
    with scene.redis.client() as client:
        key = f"{scene.stack.environment['BROKER_KEY_PREFIX']}llm"
        until(lambda: client.llen(key) > 8, seconds=60)
        if forgets == "flush":
            client.flushall()
    if forgets == "restart":
        scene.redis.stop()
        scene.redis.start()
    began = time.monotonic()
    for worker in workers:
        scene.stack.resume(worker)

    ended = [person.wait(job_id, seconds=180) for job_id in jobs]

    with capsys.disabled():
        print(f"\nafter a {forgets}: all answered within {time.monotonic() - began:.1f} s")  # noqa: T201
    assert {job["state"] for job in ended} == {"completed"}
    assert {step["attempt"] for job in ended for step in job["steps"]} == {1}
    assert scene.doubled() == []
