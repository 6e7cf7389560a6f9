"""The stream of a job: every delta once, whatever goes away meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.acceptance.client import Client, Reading
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow, pytest.mark.needs("redis")]

QUESTION = "What is a lease? [[sandbox delta=0.1]]"


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, services: dict[str, str], protocol: str
) -> Iterator[Stack]:
    environment = {**services, "SANDBOX_PROTOCOL": protocol, "EVENTS_KEEPALIVE_SECONDS": "1"}
    with running_stack(tmp_path_factory.mktemp("home"), environment, only=PLAIN_TURN) as stack:
        yield stack


def _reply(person: Client, job_id: str) -> str:
    job = person.get(f"/api/v1/jobs/{job_id}/")
    assert job["state"] == "completed", job
    messages = person.get(f"/api/v1/conversations/{job['result']['conversation_id']}/messages/")
    [reply] = [row["content"] for row in messages["data"] if row["role"] == "assistant"]
    return str(reply)


def _until(words: int) -> Any:
    return lambda reading: len(reading.text.split()) >= words


def test_a_turn_is_streamed_as_it_is_written(person: Client) -> None:
    job_id = person.turn(QUESTION)["id"]
    reading, moments = Reading(), []
    for event in person.events(job_id):
        reading.take(event)
        moments.append(time.monotonic())

    assert reading.text == _reply(person, job_id)
    assert reading.kinds == [
        "job.queued",
        "step.started",
        "step.completed",
        "step.started",
        "step.completed",
        "job.completed",
    ]
    assert reading.last["result"] == person.get(f"/api/v1/jobs/{job_id}/")["result"]
    # A text of some twenty words, a tenth of a second each, did not come all at once.
    assert len(moments) > 10
    assert moments[-1] - moments[0] > 1
    assert list(person.events(job_id, reading.place)) == []


def test_a_client_that_comes_and_goes_misses_nothing(person: Client) -> None:
    job_id = person.turn(QUESTION)["id"]
    reading = Reading()
    for words in (3, 6, 9, 12):
        person.read(job_id, reading, _until(words))
    person.read(job_id, reading)

    assert reading.text == _reply(person, job_id)
    assert reading.kinds[-1] == "job.completed"


def test_two_who_read_are_told_the_same(person: Client) -> None:
    job_id = person.turn(QUESTION)["id"]
    early = person.read(job_id, Reading(), _until(5))
    late = person.read(job_id, Reading())
    person.read(job_id, early)

    assert early.text == late.text == _reply(person, job_id)
    assert early.kinds == late.kinds
    assert early.place == late.place


def test_a_redis_that_forgets_everything_costs_nothing(stack: Stack, person: Client) -> None:
    job_id = person.turn(QUESTION)["id"]
    reading = person.read(job_id, Reading(), _until(4))
    with redis.Redis.from_url(stack.environment["REDIS_URL"]) as client:
        client.flushdb()
        client.client_kill_filter(_type="pubsub")
    person.read(job_id, reading)

    assert reading.text == _reply(person, job_id)


def test_a_front_door_that_is_killed_is_another_that_goes_on(stack: Stack, person: Client) -> None:
    job_id = person.turn(QUESTION)["id"]
    reading = person.read(job_id, Reading(), _until(4))
    stack.kill("web")
    stack.start("web")
    person.read(job_id, reading)

    assert reading.text == _reply(person, job_id)


def test_a_worker_that_is_killed_is_another_that_goes_on(
    stack: Stack, person: Client, protocol: str
) -> None:
    """Its provider's response is resumed where that can be; else the text begins afresh."""
    job_id = person.turn(QUESTION)["id"]
    reading = person.read(job_id, Reading(), _until(6))
    stack.kill("llm")
    stack.start("llm")
    person.read(job_id, reading)

    assert reading.text == _reply(person, job_id)
    assert ("text.restarted" in reading.kinds) == (protocol == "chat_completions")


def test_a_cancelled_turn_ends_its_stream(person: Client) -> None:
    job_id = person.turn("What is a lease? [[sandbox delta=1]]")["id"]
    reading = person.read(job_id, Reading(), _until(2))
    assert person.request("POST", f"/api/v1/jobs/{job_id}/cancel/").status_code == 200
    person.read(job_id, reading)

    assert reading.kinds[-1] == "job.cancelled"


def test_a_line_on_which_nothing_is_said_is_kept_alive(stack: Stack, person: Client) -> None:
    job_id = person.turn("What is a lease? [[sandbox delta=3]]")["id"]
    address = f"/api/v1/jobs/{job_id}/events/"
    with person.stream(address) as response:
        comments = (line for line in response.iter_lines() if line.startswith(":"))
        assert next(comments) == ": keep-alive"
    person.request("POST", f"/api/v1/jobs/{job_id}/cancel/")
