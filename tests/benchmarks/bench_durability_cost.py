"""What durability costs: turns a second with a model that takes no time, beside bare chains.

Many people send turns without waiting for answers, so that every process always has work; then the
same number of bare Celery chains with as many hops goes through workers of the same pools, beside
them on the same cores. A rate counts from the first acceptance to the last completion.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import Stack, running_stack
from tests.benchmarks.chains import bare_chains, emptied_redis

pytestmark = [pytest.mark.timeout(900), pytest.mark.needs("redis", "postgres")]

TURNS = int(os.environ.get("TURNS", "600"))
PEOPLE = 8


@pytest.mark.parametrize("knowledge", [False, True], ids=["plain", "with knowledge"])
def test_turns_a_second(
    tmp_path: Path, redis_url: str, fresh_postgres: str, knowledge: bool
) -> None:
    broker = emptied_redis(redis_url)
    services = {"REDIS_URL": broker, "DATABASE_URL": fresh_postgres}
    with running_stack(tmp_path, services) as stack, bare_chains(broker) as chains:
        people = [_person(stack, number, knowledge=knowledge) for number in range(PEOPLE)]
        jobs = _jobs(people)
        began = time.time()
        for number in range(TURNS):
            chains.send(number)
        bare = TURNS / (max(chains.wait(number) for number in range(TURNS)) - began)
    first = min(datetime.fromisoformat(job["created_at"]) for job in jobs)
    last = max(datetime.fromisoformat(job["finished_at"]) for job in jobs)
    rate = len(jobs) / (last - first).total_seconds()
    print(f"\nturns, {'with' if knowledge else 'without'} a knowledge base {rate:7.1f} a second")
    print(f"bare Celery chains of three hops     {bare:7.1f} a second, sent by one process")
    print(f"ratio: {bare / rate:.1f}")
    assert {job["state"] for job in jobs} == {"completed"}


def _person(stack: Stack, number: int, *, knowledge: bool) -> Client:
    person = stack.client(f"person-{number}@example.com")
    person.sign_up()
    if knowledge:
        person.upload("Notes", "toll.md", b"# Tolls\n\nA cart pays four ducats at the turnpike.")
    person.wait(person.turn("What does a cart pay?")["id"])
    return person


def _jobs(people: list[Client]) -> list[Any]:
    """Let everybody send their turns at once; return the jobs when all have ended."""

    def send(person: Client) -> list[Any]:
        return [person.turn("What does a cart pay?") for _ in range(TURNS // PEOPLE)]

    with ThreadPoolExecutor(PEOPLE) as pool:
        accepted = list(pool.map(send, people))
    return [
        person.wait(job["id"], seconds=300)
        for person, turns in zip(people, accepted, strict=True)
        for job in turns
    ]
