"""An upgrade under way: two releases side by side, and migrations while both work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack, until
from tests.services import on_each_database

pytestmark = [
    on_each_database,
    pytest.mark.timeout(300),
    pytest.mark.long,
    pytest.mark.needs("redis"),
]

_LAST = "tests.acceptance.last_release"
_WORKER = ("-m", "celery", "-A", _LAST, "worker", "-Q", "llm,default", "-P", "threads", "-c", "4")
OLD = {"old-worker": _WORKER, "old-relay": ("-m", _LAST, "relay")}
CONVERSATIONS, TURNS = 6, 4


@pytest.fixture
def stack(tmp_path: Path, services: dict[str, str]) -> Iterator[Stack]:
    with running_stack(tmp_path, services, only=PLAIN_TURN) as stack:
        stack.commands.update(OLD)
        yield stack


def _sign_up(stack: Stack) -> Client:
    client = stack.client(f"{stack.home.name}@example.com")
    client.sign_up()
    return client


def _converse(client: Client, *, turns: int) -> list[Any]:
    """Accept some turns in each of some conversations, one on the heels of the other."""
    accepted = [client.turn("hello [[sandbox latency=0.2]]") for _ in range(CONVERSATIONS)]
    for number in range(1, turns):
        accepted += [
            client.turn(f"turn {number}", conversation_id=first["conversation_id"])
            for first in accepted[:CONVERSATIONS]
        ]
    return accepted


def _check_each_answered_once(client: Client, accepted: list[Any]) -> None:
    jobs = [client.wait(job["id"], seconds=120) for job in accepted]
    assert [job["state"] for job in jobs] == ["completed"] * len(accepted)
    for conversation in {job["conversation_id"] for job in accepted}:
        messages = client.get(f"/api/v1/conversations/{conversation}/messages/")["data"]
        said = sum(job["conversation_id"] == conversation for job in accepted)
        assert [row["role"] for row in messages] == ["user", "assistant"] * said


def test_workers_and_relays_of_two_releases_side_by_side(stack: Stack) -> None:
    """Given messages and rows that half of the processes do not know, every turn is answered."""
    stack.start(*OLD)
    until(lambda: "[queues]" in _whole_log(stack, "old-worker"), seconds=60)
    client = _sign_up(stack)

    accepted = _converse(client, turns=TURNS)

    _check_each_answered_once(client, accepted)
    # The old worker was really asked for what it does not know, and threw it away.
    assert "chat.finish" in _whole_log(stack, "old-worker")
    assert [stack.running[name].poll() for name in OLD] == [None, None]


def _whole_log(stack: Stack, name: str) -> str:
    return (stack.home / f"{name}.log").read_text(errors="replace")


def test_migrations_run_while_turns_are_answered(stack: Stack) -> None:
    """Given the next release's migrations beside this release at work, nobody notices them."""
    client = _sign_up(stack)
    accepted: list[Any] = []
    talking = threading.Thread(target=lambda: accepted.extend(_converse(client, turns=8)))

    talking.start()
    until(lambda: len(client.get("/api/v1/jobs/")["data"]) > CONVERSATIONS)
    here = dict(stack.environment)
    stack.environment["DJANGO_SETTINGS_MODULE"] = "tests.acceptance.next_release.settings"
    printed = stack.manage("migrate")
    stack.environment.update(here)
    talking.join()

    for name in ("9997_region", "9998_cost", "9999_indexes"):
        assert f"Applying jobs.{name}... OK" in printed
    assert len(accepted) == CONVERSATIONS * 8
    _check_each_answered_once(client, accepted + _converse(client, turns=2))
