"""Fairness and backpressure: who floods waits for himself, and an old queue takes no more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack

pytestmark = [pytest.mark.timeout(240), pytest.mark.long, pytest.mark.needs("redis")]

FLOOD = 30
# Seconds after which a front door has looked at the queues' ages again.
GLANCE = 1.2
WINDOWS = {"OWNER_WINDOW": "4", "OWNER_BULK_WINDOW": "2", "BULK_WINDOW": "2"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    """A stack that answers plain turns."""
    home, limits = tmp_path_factory.mktemp("home"), {"BACKPRESSURE_SECONDS": "60"}
    with running_stack(home, {**services, **WINDOWS, **limits}, only=PLAIN_TURN) as stack:
        yield stack


def _person(stack: Stack, email: str) -> Client:
    client = stack.client(email)
    client.sign_up()
    return client


def _ended(client: Client, *jobs: Any) -> list[datetime]:
    """When each of these jobs completed."""
    ended = [client.wait(job["id"], seconds=120) for job in jobs]
    assert {job["state"] for job in ended} == {"completed"}
    return [datetime.fromisoformat(job["finished_at"]) for job in ended]


def test_a_flood_of_one_owner_delays_nobody_else(stack: Stack) -> None:
    ada, grace = _person(stack, "ada@example.com"), _person(stack, "grace@example.com")
    stack.kill("llm")
    flood = [ada.turn("hello") for _ in range(FLOOD)]
    mine = grace.turn("hello")
    reason = ada.get(f"/api/v1/jobs/{flood[-1]['id']}/")["queue"]["reason"]
    assert reason == "waits for its owner's other jobs"

    stack.start("llm")

    [answered] = _ended(grace, mine)
    # In the queue before hers there was one window of the flood, and not the whole of it.
    assert sum(moment < answered for moment in _ended(ada, *flood)) <= FLOOD // 2


def test_what_somebody_waits_for_overtakes_bulk_work(stack: Stack) -> None:
    joan = _person(stack, "joan@example.com")
    stack.kill("llm")
    bulk = [joan.turn("hello", service_tier="flex") for _ in range(FLOOD)]
    people = [joan.turn("hello") for _ in range(4)]

    stack.start("llm")

    last = max(_ended(joan, *people))
    assert sum(moment < last for moment in _ended(joan, *bulk)) <= FLOOD // 2


def test_an_old_queue_takes_no_more_until_it_is_young_again(stack: Stack) -> None:
    ada = _person(stack, "barbara@example.com")
    stack.kill("llm")
    waiting = ada.turn("hello")
    stack.manage(
        "shell",
        "--no-imports",
        "-c",
        "from datetime import timedelta; from django.db.models import F; "
        "from pipelines.jobs.models import JobStep; JobStep.objects.filter(ready_at__isnull=False,"
        f" job='{waiting['id']}').update(ready_at=F('ready_at') - timedelta(seconds=90))",
    )
    time.sleep(GLANCE)

    refusal = ada.request("POST", "/api/v1/turns/", json={"message": "me too"})

    assert (refusal.status_code, refusal.json()["code"]) == (503, "overloaded")
    assert 1 <= int(refusal.headers["Retry-After"]) <= 60
    assert [job["id"] for job in ada.get("/api/v1/jobs/?kind=chat.turn")["data"]] == [waiting["id"]]
    assert len(ada.get("/api/v1/conversations/")["data"]) == 1

    stack.start("llm")
    _ended(ada, waiting)
    _ended(ada, ada.turn("me too"))
