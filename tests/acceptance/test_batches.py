"""Batches on real processes: counted, told of once, cancelled, and whole whoever dies meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.receiver import Receiver, webhook_receiver
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack, until
from tests.services import on_each_database

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow, pytest.mark.needs("redis")]

BATCHES = "/api/v1/batches/"
TURNS = 60
_SETTINGS = {
    "BATCH_AHEAD": "20",
    "BATCH_PAUSE": "0.3",
    "WEBHOOK_ALLOW_HTTP": "true",
    "WEBHOOK_ALLOW_PRIVATE": "true",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    home, environment = tmp_path_factory.mktemp("home"), {**services, **_SETTINGS}
    with running_stack(home, environment, only=(*PLAIN_TURN, "mail")) as stack:
        yield stack


@pytest.fixture
def receiver(person: Client) -> Iterator[Receiver]:
    """What an endpoint hears that wants to be told of batches."""
    with webhook_receiver() as receiver:
        body = {"url": receiver.url, "events": ["batch.completed", "batch.cancelled"]}
        made = person.post("/api/v1/webhooks/endpoints/", body)
        yield receiver
        person.request("DELETE", f"/api/v1/webhooks/endpoints/{made['id']}/")


def send(person: Client, words: str = "Who pays?") -> str:
    """Send a batch whose last turn names a provider that there is not."""
    turns: list[dict[str, Any]] = [
        {"custom_id": f"turn-{number}", "message": f"{words} {number}"} for number in range(TURNS)
    ]
    turns[-1]["provider"] = "nobody"
    return str(person.post(BATCHES, {"turns": turns})["id"])


def ended(person: Client, batch: str) -> Any:
    """Wait until a batch has ended; return it."""
    until(lambda: person.get(f"{BATCHES}{batch}/")["state"] != "in_progress", seconds=120)
    return person.get(f"{BATCHES}{batch}/")


def heard(receiver: Receiver) -> list[tuple[str, str]]:
    """Wait for what is told; return what was, each once."""
    until(lambda: bool(receiver.received), seconds=30)
    told = {one.headers["webhook-id"]: json.loads(one.body) for one in receiver.received}
    return [(event["type"], event["data"]["id"]) for event in told.values()]


@on_each_database
def test_each_turn_is_answered_and_the_end_is_told_once(person: Client, receiver: Receiver) -> None:
    batch = ended(person, send(person))

    counts = {state: count for state, count in batch["counts"].items() if count}
    assert counts == {"completed": TURNS - 1, "refused": 1}
    rows = person.get(f"{BATCHES}{batch['id']}/turns/?limit=100")["data"]
    assert [row["custom_id"] for row in rows] == [f"turn-{number}" for number in range(TURNS)]
    assert all(f"Who pays? {row['position']}" in row["result"]["text"] for row in rows[:-1])
    assert rows[-1]["error"]["code"] == "unknown_provider"
    assert heard(receiver) == [("batch.completed", batch["id"])]


def test_whoever_is_killed_no_turn_is_lost_and_none_comes_twice(
    stack: Stack, person: Client, receiver: Receiver
) -> None:
    batch = send(person, "And who is it [[sandbox delta=0.01]]")
    until(lambda: person.get(f"{BATCHES}{batch}/")["counts"]["completed"] > 5, seconds=60)

    for name in ("default", "llm"):
        stack.kill(name)
        stack.start(name)

    counts = ended(person, batch)["counts"]
    assert (counts["completed"], counts["refused"]) == (TURNS - 1, 1)
    jobs = [row["job_id"] for row in person.get(f"{BATCHES}{batch}/turns/?limit=100")["data"]]
    assert len(set(jobs)) == TURNS
    assert heard(receiver) == [("batch.completed", batch)]


def test_a_cancel_ends_the_rest(person: Client, receiver: Receiver) -> None:
    batch = send(person, "And since when [[sandbox delta=0.05]]")
    until(lambda: person.get(f"{BATCHES}{batch}/")["counts"]["in_progress"] > 0, seconds=60)

    cancelled = person.request("POST", f"{BATCHES}{batch}/cancel/")

    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    counts = person.get(f"{BATCHES}{batch}/")["counts"]
    assert counts["waiting"] == counts["queued"] == counts["in_progress"] == 0
    assert counts["cancelled"] > TURNS / 2
    assert heard(receiver) == [("batch.cancelled", batch)]
