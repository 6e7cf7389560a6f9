"""The provider governor over two worker processes, as the provider itself sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import combinations
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, PROCESSES, Stack, free_port, running_stack, until
from tests.sandbox_server import sandbox_server

pytestmark = [pytest.mark.timeout(300), pytest.mark.long, pytest.mark.needs("redis")]

LLM = {"llm", "llm-2"}
# Seconds between two requests at 60 a minute, and how late a reserved moment may be used: by the
# settings, and on the way to the provider on a busy machine.
INTERVAL = 65 / 60
LATE = 5 + 2


@contextmanager
def _two_workers(home: Any, environment: dict[str, str]) -> Iterator[Stack]:
    with running_stack(home, environment, only=PLAIN_TURN) as stack:
        stack.commands["llm-2"] = PROCESSES["llm"]
        stack.start("llm-2")
        until(lambda: _alive(stack) >= 2, seconds=60)
        yield stack


def _alive(stack: Stack) -> int:
    return int(
        _asked(
            stack,
            "from pipelines.jobs.nodes import nodes_alive; "
            "print(sum('llm' in node.queues for node in nodes_alive('worker')))",
        )
    )


def _asked(stack: Stack, code: str) -> str:
    """Ask behind the front door's back."""
    return stack.manage("shell", "--no-imports", "-c", code).strip().splitlines()[-1]


def _tries(stack: Stack) -> dict[str, int]:
    """Count the attempts at each generation that its policy counts."""
    code = (
        "import json; from pipelines.jobs.models import JobStep; "
        "print(json.dumps({str(s.job_id): s.attempt - s.forgiven "
        "for s in JobStep.objects.filter(name='chat.generate')}))"
    )
    tries: dict[str, int] = json.loads(_asked(stack, code))
    return tries


def _workers(person: Client, job_ids: list[str]) -> set[str]:
    jobs = [person.get(f"/api/v1/jobs/{job_id}/") for job_id in job_ids]
    steps = [step for job in jobs for step in job["steps"] if step["name"] == "chat.generate"]
    return {step["worker"].partition("@")[0] for step in steps}


def _asked_at(stack: Stack, job_ids: list[str]) -> list[float]:
    rows = stack.sandbox.timeline()
    return sorted(at for at, what, job in rows if what == "asked" and job in set(job_ids))


def _reason(person: Client, job_id: str) -> str:
    return str((person.get(f"/api/v1/jobs/{job_id}/")["queue"] or {}).get("reason", ""))


def _person(stack: Stack) -> Client:
    client = stack.client("ada@example.com")
    client.sign_up()
    return client


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    environment = {
        **services,
        "SANDBOX_RPM": "60",
        "SANDBOX_CONCURRENCY": "2",
        "GOVERNOR_BURST_SECONDS": "0",
        "GOVERNOR_SLACK_SECONDS": "5",
        "OWNER_WINDOW": "100",
    }
    with _two_workers(tmp_path_factory.mktemp("home"), environment) as stack:
        yield stack


@pytest.fixture(scope="module")
def person(stack: Stack) -> Client:
    return _person(stack)


def test_the_limits_hold_over_all_workers(stack: Stack, person: Client) -> None:
    stack.sandbox.reset()

    jobs = [person.turn(f"turn {n} [[sandbox latency=0.5]]")["id"] for n in range(16)]
    seen: set[str] = set()

    def some_wait() -> bool:
        seen.update(_reason(person, job).partition(" until ")[0] for job in jobs)
        return len(seen & {"rate_limited", "at_capacity"}) > 0

    until(some_wait, seconds=30)
    ended = [person.wait(job, seconds=120) for job in jobs]

    assert {job["state"] for job in ended} == {"completed"}
    assert _workers(person, jobs) == LLM
    assert set(_tries(stack).values()) == {1}
    assert stack.sandbox.stats()["peak"] <= 2
    asked = _asked_at(stack, jobs)
    assert len(asked) == 16
    for (first, begin), (last, end) in combinations(enumerate(asked), 2):
        assert end - begin >= (last - first) * INTERVAL - LATE


def test_a_turn_that_waits_for_room_says_so_and_spins_no_worker(
    stack: Stack, person: Client
) -> None:
    stack.sandbox.reset()
    long = [person.turn(f"long {n} [[sandbox latency=8]]")["id"] for n in range(2)]
    until(lambda: stack.sandbox.stats().get("started", 0) == 2, seconds=60)

    waiting = person.turn("short")["id"]
    until(lambda: _reason(person, waiting).startswith("at_capacity until "), seconds=30)
    ended = [person.wait(job, seconds=120) for job in (*long, waiting)]

    assert {job["state"] for job in ended} == {"completed"}
    assert stack.sandbox.stats()["peak"] == 2
    assert _tries(stack)[waiting] == 1
    step = next(step for step in ended[-1]["steps"] if step["name"] == "chat.generate")
    assert step["attempt"] <= 10


def test_a_pause_that_the_provider_asks_for_holds_for_all(stack: Stack, person: Client) -> None:
    stack.sandbox.reset()
    first = person.turn("hello [[sandbox error=429 retry_after=6 times=1]]")["id"]
    until(lambda: len(_asked_at(stack, [first])) == 1, seconds=60)
    until(lambda: _reason(person, first).startswith("rate_limited until "), seconds=30)

    others = [person.turn(f"other {n}")["id"] for n in range(4)]
    until(lambda: all(_reason(person, job).startswith("rate_limited") for job in others))
    ended = [person.wait(job, seconds=120) for job in (first, *others)]

    assert {job["state"] for job in ended} == {"completed"}
    refused_at = _asked_at(stack, [first])[0]
    assert min(_asked_at(stack, others)) >= refused_at + 6
    assert {_tries(stack)[job] for job in others} == {1}


def test_the_breaker_opens_fails_over_and_closes_again(
    tmp_path_factory: pytest.TempPathFactory, empty_redis: str
) -> None:
    port = free_port()
    environment = {
        "REDIS_URL": empty_redis,
        "PROVIDERS": "first,second",
        "FIRST_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "FIRST_MODEL": "sandbox-first",
        "FIRST_API_KEY": "one",
        "SECOND_MODEL": "sandbox-second",
        "SECOND_API_KEY": "two",
        "BREAKER_FAILURES": "2",
        "BREAKER_SECONDS": "8",
    }
    with ExitStack() as running, sandbox_server() as second:
        home = tmp_path_factory.mktemp("home")
        environment["SECOND_BASE_URL"] = second.base_url
        stack = running.enter_context(_two_workers(home, environment))
        person = _person(stack)

        # Nothing listens at the first: its turn is tried there, until the breaker opens.
        moved = person.turn("hello")["id"]
        pinned = person.turn("to the first only", provider="first")["id"]
        assert person.wait(moved, seconds=60)["state"] == "completed"
        assert _answered_by(person, moved) == ("second", "sandbox-second")
        until(lambda: _reason(person, pinned).startswith("circuit_open until "), seconds=60)
        straight = person.turn("hello again")["id"]
        assert person.wait(straight, seconds=60)["state"] == "completed"
        assert _answered_by(person, straight) == ("second", "sandbox-second")
        assert _tries(stack)[straight] <= 2

        running.enter_context(sandbox_server(f"--port={port}"))
        assert person.wait(pinned, seconds=90)["state"] == "completed"
        assert _answered_by(person, pinned) == ("first", "sandbox-first")
        back = person.turn("hello once more")["id"]
        assert person.wait(back, seconds=60)["state"] == "completed"
        assert _answered_by(person, back) == ("first", "sandbox-first")


def _answered_by(person: Client, job_id: str) -> tuple[str, str]:
    result = person.get(f"/api/v1/jobs/{job_id}/")["result"]
    messages = person.get(f"/api/v1/conversations/{result['conversation_id']}/messages/")["data"]
    reply = next(row for row in messages if row["role"] == "assistant")
    return reply["provider"], reply["model"]
