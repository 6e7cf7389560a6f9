"""Cancelling: a queued turn at once, a streaming or hanging one within a second at the provider."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.long, pytest.mark.needs("redis")]

# What is promised, and what a busy machine may take on top.
PROMISED = 1.0
NOISE = 1.0
QUESTION = "Write a roadmap for leases."


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, services: dict[str, str], protocol: str
) -> Iterator[Stack]:
    environment = {**services, "SANDBOX_PROTOCOL": protocol, "SANDBOX_CONCURRENCY": "2"}
    with running_stack(tmp_path_factory.mktemp("home"), environment, only=PLAIN_TURN) as stack:
        yield stack


def _cancel(person: Client, job_id: str) -> Any:
    answer = person.request("POST", f"/api/v1/jobs/{job_id}/cancel/")
    assert answer.status_code == 200, answer.text
    return answer.json()


def _generate(job: Any) -> Any:
    return next(step for step in job["steps"] if step["name"] == "chat.generate")


def _begun(stack: Stack, job_id: str) -> bool:
    return ("begun", job_id) in {(what, job) for _, what, job in stack.sandbox.timeline()}


def _stopped_at(stack: Stack, job_id: str) -> float | None:
    rows = stack.sandbox.timeline()
    return next((at for at, what, job in rows if (what, job) == ("stopped", job_id)), None)


@pytest.mark.parametrize(
    "directives",
    [
        "delta=0.2",
        # The line falls silent after three pieces; the generation goes on behind it.
        "delta=0.2 hang_after=3",
        # Nothing ever comes but the promise to begin.
        "latency=60",
    ],
)
def test_a_generation_is_stopped_at_the_provider(
    stack: Stack, person: Client, directives: str
) -> None:
    job_id = person.turn(f"{QUESTION} [[sandbox {directives}]]")["id"]
    until(lambda: _begun(stack, job_id), seconds=60)
    until(
        lambda: "response_id" in _generate(person.get(f"/api/v1/jobs/{job_id}/"))["progress"],
        seconds=60,
    )
    time.sleep(1)

    asked = time.time()
    cancelled = _cancel(person, job_id)
    answered = time.time()
    until(lambda: _stopped_at(stack, job_id) is not None, pause=0.02)

    assert cancelled["state"] == "cancelled"
    stopped = _stopped_at(stack, job_id)
    assert stopped is not None
    assert asked <= stopped <= answered + PROMISED + NOISE
    job = person.get(f"/api/v1/jobs/{job_id}/")
    assert (job["state"], job["result"]) == ("cancelled", None)
    assert _generate(job)["progress"]["input_tokens"] > 0
    # The slot of the worker and the permit of the provider are free again.
    assert person.wait(person.turn("hello")["id"])["state"] == "completed"


def test_what_was_generated_until_then_is_noted(stack: Stack, person: Client) -> None:
    job_id = person.turn(f"{QUESTION} [[sandbox delta=0.05]]")["id"]

    def output_tokens() -> int:
        progress = _generate(person.get(f"/api/v1/jobs/{job_id}/"))["progress"]
        return int(progress.get("output_tokens", 0))

    until(lambda: output_tokens() >= 20, seconds=60)
    _cancel(person, job_id)

    final = output_tokens()
    time.sleep(1)
    assert final >= 20
    assert output_tokens() == final


def test_a_queued_turn_is_cancelled_at_once_and_never_generated(
    stack: Stack, person: Client
) -> None:
    first = person.turn(f"{QUESTION} [[sandbox delta=0.2]]")
    until(lambda: _begun(stack, first["id"]), seconds=60)
    second = person.turn("hello", conversation_id=first["conversation_id"])["id"]
    third = person.turn("and again", conversation_id=first["conversation_id"])["id"]

    cancelled = _cancel(person, second)
    _cancel(person, first["id"])

    assert cancelled["state"] == "cancelled"
    assert person.wait(third)["state"] == "completed"
    assert second not in stack.sandbox.stats()["jobs"]
