"""A batch beside the same turns sent one by one: the rate, and how long a person waits meanwhile.

    TURNS=10000 make bench BENCH=bench_batches.py

sends the largest batch that is taken by default.
"""

from __future__ import annotations

import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, running_stack
from tests.benchmarks.chains import emptied_redis

pytestmark = [pytest.mark.timeout(3600), pytest.mark.needs("redis", "postgres")]

TURNS = int(os.environ.get("TURNS", "600"))
# How many are sent one by one to know that rate, which does not depend on their number.
SINGLES = min(TURNS, 600)
PEOPLE = 8
SAID = "What does a cart pay?"


def test_a_batch(tmp_path: Path, redis_url: str, fresh_postgres: str) -> None:
    services = {
        "REDIS_URL": emptied_redis(redis_url),
        "DATABASE_URL": fresh_postgres,
        "ACCESS_TOKEN_SECONDS": "86400",
    }
    with running_stack(tmp_path, services, only=(*PLAIN_TURN, "mail")) as stack:
        people = [stack.client(f"person-{number}@example.com") for number in range(PEOPLE)]
        for person in people:
            person.sign_up()
        asker, sender, *_ = people
        idle = [_asked(asker) for _ in range(20)]
        single = _one_by_one(people)

        began = time.monotonic()
        turns = [{"message": SAID, "custom_id": str(number)} for number in range(TURNS)]
        batch = sender.post("/api/v1/batches/", {"turns": turns})
        accepted, busy = time.monotonic() - began, []
        while batch["state"] == "in_progress":
            busy.append(_asked(asker))
            time.sleep(1)
            batch = sender.get(f"/api/v1/batches/{batch['id']}/")
        together = TURNS / (time.monotonic() - began)
    print(f"\n{TURNS} turns in one request are accepted in {accepted:.2f} s")
    print(f"answered: {together:.1f} a second, {single:.1f} where each is sent by itself")
    print(f"ratio: {single / together:.2f}")
    print(f"somebody else's turn: p50 {statistics.median(busy):.2f} s meanwhile, ", end="")
    print(f"{statistics.median(idle):.2f} s alone; longest {max(busy):.2f} s")
    assert batch["counts"]["completed"] == TURNS


def _asked(person: Client) -> float:
    began = time.monotonic()
    person.wait(person.turn(SAID)["id"])
    return time.monotonic() - began


def _one_by_one(people: list[Client]) -> float:
    """Let everybody send their turns at once; return the turns answered a second."""

    def send(person: Client) -> list[str]:
        return [person.turn(SAID)["id"] for _ in range(SINGLES // PEOPLE)]

    began = time.monotonic()
    with ThreadPoolExecutor(PEOPLE) as pool:
        sent = list(pool.map(send, people))
    for person, jobs in zip(people, sent, strict=True):
        for job in jobs:
            person.wait(job, seconds=1800)
    return SINGLES / (time.monotonic() - began)
