"""Waiting for a job: in the request that creates it, and in one that asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow, pytest.mark.needs("redis")]

QUICK = "What is a lease? [[sandbox delta=0]]"
# Some three seconds, and some thirty.
SHORT = "What is a lease? [[sandbox delta=0.1]]"
LONG = "What is a lease? [[sandbox delta=1]]"
TURNS = "/api/v1/turns/"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    environment = {**services, "WEB_THREADS": "2", "OWNER_WINDOW": "100"}
    with running_stack(tmp_path_factory.mktemp("home"), environment, only=PLAIN_TURN) as stack:
        yield stack


def _send(person: Client, message: str, wait: int) -> Any:
    return person.request(
        "POST", TURNS, json={"message": message}, headers={"Prefer": f"wait={wait}"}
    )


def test_a_turn_is_answered_in_the_request_that_sends_it(person: Client) -> None:
    answer = _send(person, QUICK, 25)

    assert answer.status_code == 200, answer.text
    assert answer.headers["Preference-Applied"] == "wait=25"
    body = answer.json()
    assert body["state"] == "completed"
    assert body["result"]["conversation_id"] == body["conversation_id"]
    assert person.get(f"/api/v1/jobs/{body['id']}/")["finished_at"] == body["finished_at"]


def test_a_turn_that_takes_longer_is_accepted_all_the_same(person: Client) -> None:
    began = time.monotonic()
    answer = _send(person, LONG, 1)
    took = time.monotonic() - began

    assert answer.status_code == 202, answer.text
    assert took >= 1
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert answer.headers["Location"] == f"/api/v1/jobs/{answer.json()['id']}/"
    assert int(answer.headers["Retry-After"]) >= 1
    person.request("POST", f"{answer.headers['Location']}cancel/")


def test_a_poll_waits_for_the_end_or_for_news(person: Client) -> None:
    address = f"/api/v1/jobs/{person.turn(SHORT)['id']}/"
    known = person.request("GET", address)

    news = person.request(
        "GET", f"{address}?wait=20", headers={"If-None-Match": known.headers["ETag"]}
    )
    assert news.status_code == 200
    assert news.headers["ETag"] != known.headers["ETag"]
    ended = person.get(f"{address}?wait=25")
    assert ended["state"] == "completed"


def test_a_wait_for_news_of_a_job_that_stands_still_ends(stack: Stack, person: Client) -> None:
    """Given a queue that nobody serves, the answer is that nothing has changed."""
    stack.kill("llm")
    try:
        time.sleep(6)  # until it is known that nobody serves it
        address = f"/api/v1/jobs/{person.turn(QUICK)['id']}/"
        known = person.request("GET", address).headers["ETag"]
        still = person.request("GET", f"{address}?wait=2", headers={"If-None-Match": known})
    finally:
        stack.start("llm")

    assert (still.status_code, still.content) == (304, b"")
    assert person.get(f"{address}?wait=25")["state"] == "completed"


def test_many_who_wait_hold_no_thread(person: Client) -> None:
    """Given two threads and forty who wait, anybody else is served at once."""
    job_id = person.turn(LONG)["id"]

    def wait(_: int) -> str:
        return str(person.get(f"/api/v1/jobs/{job_id}/?wait=20")["state"])

    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(wait, number) for number in range(40)]
        time.sleep(1)
        assert person.get("/api/v1/conversations/")["data"]
        assert not any(one.done() for one in waiting)
        person.request("POST", f"/api/v1/jobs/{job_id}/cancel/")
        states = [one.result() for one in waiting]

    assert states == ["cancelled"] * 40


def test_a_request_sent_again_waits_for_the_same_turn(person: Client) -> None:
    headers = {"Idempotency-Key": "again", "Prefer": "wait=25"}
    body = {"message": QUICK}

    first = person.request("POST", TURNS, json=body, headers=headers)
    again = person.request("POST", TURNS, json=body, headers=headers)

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.json()["id"] == again.json()["id"]
    assert again.json()["state"] == "completed"
