"""A turn ends by its deadline, whatever it waits for: a provider, a worker, the turn before it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack

pytestmark = [pytest.mark.timeout(240), pytest.mark.long, pytest.mark.needs("redis")]

# Seconds after its deadline by which a job has ended; the relay looks several times a second.
LATE = 10.0
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    """All that a turn without documents passes through."""
    environment = {**services, "CANCEL_AFTER_MIN_SECONDS": "1"}
    with running_stack(tmp_path_factory.mktemp("home"), environment, only=PLAIN_TURN) as stack:
        yield stack


@pytest.fixture
def person(stack: Stack) -> Client:
    """An account that nothing belongs to yet."""
    client = stack.client(f"person{next(_numbers)}@example.com")
    client.sign_up()
    return client


def _say(client: Client, message: str, cancel_after: str, **fields: Any) -> Any:
    answer = client.request(
        "POST",
        "/api/v1/turns/",
        json={"message": message, **fields},
        headers={"Cancel-After": cancel_after},
    )
    assert answer.status_code == 202, answer.text
    return answer.json()


def _steps(job: Any) -> dict[str, tuple[str, int]]:
    return {step["name"]: (step["state"], step["attempt"]) for step in job["steps"]}


def _check_overdue(job: Any) -> None:
    """Check that a job failed at its deadline, not before and not long after."""
    assert (job["state"], job["error"]["code"]) == ("failed", "deadline_exceeded")
    late = datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["deadline"])
    assert timedelta(0) <= late < timedelta(seconds=LATE)


def _replies(client: Client, conversation_id: str) -> list[str]:
    rows = client.get(f"/api/v1/conversations/{conversation_id}/messages/")["data"]
    return [row["job_id"] for row in rows if row["role"] == "assistant"]


@pytest.mark.parametrize("fault", ["hang_after=1", "latency=600"])
def test_a_provider_that_hangs_ends_by_the_deadline(person: Client, fault: str) -> None:
    """Given a provider that says nothing more, the turn fails in time and the next one goes on."""
    accepted = _say(person, f"hello [[sandbox {fault}]]", "5s")
    following = person.turn("are you there?", conversation_id=accepted["conversation_id"])

    job = person.wait(accepted["id"], seconds=60)

    _check_overdue(job)
    assert _steps(job) == {"chat.generate": ("cancelled", 1), "chat.finish": ("cancelled", 0)}
    assert person.wait(following["id"], seconds=60)["state"] == "completed"
    assert _replies(person, accepted["conversation_id"]) == [following["id"]]


def test_what_comes_after_the_deadline_is_not_recorded(person: Client) -> None:
    """Given a provider that answers too late, the job stays failed, without a reply."""
    accepted = _say(person, "hello [[sandbox latency=6]]", "2")
    _check_overdue(person.wait(accepted["id"]))
    # It answers all the same, and this turn begins after that.
    following = person.turn(
        "[[sandbox latency=6]] hello", conversation_id=accepted["conversation_id"]
    )
    assert person.wait(following["id"])["state"] == "completed"

    assert person.get(f"/api/v1/jobs/{accepted['id']}/")["state"] == "failed"
    assert _replies(person, accepted["conversation_id"]) == [following["id"]]


def test_a_turn_that_nobody_takes_ends_by_the_deadline(stack: Stack, person: Client) -> None:
    """Given no worker, the turn fails in time; one that comes later does not run it."""
    stack.kill("llm")
    deadline = datetime.now(UTC) + timedelta(seconds=3)
    accepted = person.turn("hello", deadline=deadline.isoformat())
    assert datetime.fromisoformat(accepted["deadline"]) == deadline

    job = person.wait(accepted["id"])
    stack.start("llm")

    _check_overdue(job)
    assert _steps(job) == {"chat.generate": ("cancelled", 0), "chat.finish": ("cancelled", 0)}
    assert person.wait(person.turn("hello")["id"], seconds=60)["state"] == "completed"
    assert person.get(f"/api/v1/jobs/{accepted['id']}/") == job
    assert accepted["id"] not in stack.sandbox.stats()["jobs"]


def test_a_turn_behind_another_ends_by_its_own_deadline(person: Client) -> None:
    """Given a slow turn, one that waits behind it fails in time, and the third has its turn."""
    first = person.turn("hello [[sandbox latency=8]]")
    place = first["conversation_id"]
    second = _say(person, "hello", "2", conversation_id=place)
    third = person.turn("hello", conversation_id=place)

    overdue = person.wait(second["id"])

    _check_overdue(overdue)
    assert person.get(f"/api/v1/jobs/{first['id']}/")["state"] == "in_progress"
    assert [person.wait(turn["id"])["state"] for turn in (first, third)] == ["completed"] * 2
    assert _replies(person, place) == [first["id"], third["id"]]


def test_a_replay_has_no_deadline(person: Client) -> None:
    """Given a turn that failed by its deadline, it may be run again, and takes its time."""
    accepted = _say(person, "hello [[sandbox hang_after=1 times=1]]", "2")
    _check_overdue(person.wait(accepted["id"]))

    answer = person.request("POST", f"/api/v1/jobs/{accepted['id']}/retry/")

    assert (answer.status_code, answer.json()["deadline"]) == (200, None)
    assert person.wait(accepted["id"])["state"] == "completed"
