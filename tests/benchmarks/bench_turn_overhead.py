"""What a turn costs beyond its model, beside a bare Celery chain with the same hops.

The product runs idle, as `make run` starts it (SQLite, one worker a pool). A turn's overhead is the
time from its acceptance to its completion, less the time of its `chat.generate` step.
"""

from __future__ import annotations

import os
import statistics
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import running_stack
from tests.benchmarks.chains import bare_chains, emptied_redis

pytestmark = [pytest.mark.timeout(900), pytest.mark.needs("redis")]

TURNS = int(os.environ.get("TURNS", "200"))


def percentile(values: list[float], percent: int) -> float:
    """The value below which this share lies."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def row(name: str, seconds: list[float]) -> str:
    """One line of the table, in milliseconds."""
    middle, high = (percentile(seconds, percent) * 1000 for percent in (50, 95))
    return f"{name:<34} p50 {middle:7.1f} ms   p95 {high:7.1f} ms   n={len(seconds)}"


def _seconds(job: Any) -> tuple[float, float]:
    """The overhead of a turn, and the time of its model."""

    def at(text: str) -> datetime:
        return datetime.fromisoformat(text)

    [generate] = [step for step in job["steps"] if step["name"] == "chat.generate"]
    model = (at(generate["finished_at"]) - at(generate["started_at"])).total_seconds()
    whole = (at(job["finished_at"]) - at(job["created_at"])).total_seconds()
    return whole - model, model


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_turn_overhead(
    tmp_path: Path, redis_url: str, database: str, request: pytest.FixtureRequest
) -> None:
    broker = emptied_redis(redis_url)
    services = {"REDIS_URL": broker}
    if database == "postgres":
        services["DATABASE_URL"] = request.getfixturevalue("fresh_postgres")
    turns, models, hops = [], [], []
    with running_stack(tmp_path, services) as stack, bare_chains(broker) as chains:
        person = stack.client("ada@example.com")
        person.sign_up()
        person.upload("Notes", "toll.md", b"# Tolls\n\nA cart pays four ducats at the turnpike.")
        person.wait(person.turn("What does a cart pay?")["id"])
        for number in range(TURNS):
            begun = time.time()
            chains.send(number)
            hops.append(chains.wait(number) - begun)
            accepted = person.turn("What does a cart pay?")
            overhead, model = _seconds(_wait(person, accepted["id"]))
            turns.append(overhead)
            models.append(model)
    print(f"\n{database}")
    print(row("bare Celery chain of three hops", hops))
    print(row("a turn, less its model", turns))
    print(row("its model (the sandbox)", models))
    print(f"ratio of the medians: {percentile(turns, 50) / percentile(hops, 50):.2f}")
    assert len(turns) == TURNS


def _wait(person: Client, job_id: str) -> Any:
    """Look rarely: polling on the same two cores would be measured, too."""
    time.sleep(0.15)
    return person.wait(job_id)
