"""One key, one job: asked for by many clients at once, and by one whose front door was killed."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import Stack, running_stack, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.long, pytest.mark.needs("redis")]

CLIENTS = 50
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    """A front door without workers: what is accepted stays as it was accepted."""
    home = tmp_path_factory.mktemp("home")
    # Nothing works its turns off, and no number of them is to be refused for that.
    environment = {**services, "BACKPRESSURE_SECONDS": "0"}
    with running_stack(home, environment, only=("web", "relay")) as stack:
        yield stack


@pytest.fixture
def person(stack: Stack) -> Client:
    """An account that nothing belongs to yet."""
    client = stack.client(f"person{next(_numbers)}@example.com")
    client.sign_up()
    return client


def _say(client: Client, key: str, message: str = "What is a lease?") -> httpx.Response:
    return client.request(
        "POST", "/api/v1/turns/", json={"message": message}, headers={"Idempotency-Key": key}
    )


def _at_once(send: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Send the same from all clients, which wait for one another before they do."""
    barrier = threading.Barrier(CLIENTS)

    def one(_: int) -> httpx.Response:
        barrier.wait()
        return send()

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, range(CLIENTS)))


def _check_one(answers: list[httpx.Response]) -> Any:
    """Check that all got one answer, and that one of them is the first."""
    assert {answer.status_code for answer in answers} == {202}
    bodies = [answer.json() for answer in answers]
    assert [body for body in bodies if body != bodies[0]] == []
    assert len({answer.headers["Location"] for answer in answers}) == 1
    replayed = [answer.headers.get("Idempotency-Replayed") for answer in answers]
    assert sorted(map(str, replayed)) == ["None"] + ["true"] * (CLIENTS - 1)
    return bodies[0]


def _jobs(client: Client, kind: str) -> list[str]:
    rows = client.get(f"/api/v1/jobs/?kind={kind}&limit=200")["data"]
    return [row["id"] for row in rows]


def _said(client: Client) -> list[str]:
    """What stands in all of a person's conversations."""
    return [
        message["content"]
        for conversation in client.get("/api/v1/conversations/?limit=200")["data"]
        for message in client.get(f"/api/v1/conversations/{conversation['id']}/messages/")["data"]
    ]


def test_fifty_clients_at_once_make_one_turn(person: Client) -> None:
    body = _check_one(_at_once(lambda: _say(person, "at-once")))

    assert _jobs(person, "chat.turn") == [body["id"]]
    assert _said(person) == ["What is a lease?"]


def test_fifty_clients_at_once_make_one_document(person: Client) -> None:
    collection = person.post("/api/v1/knowledge/collections/", {"name": "Notes"})["id"]

    def upload() -> httpx.Response:
        return person.request(
            "POST",
            "/api/v1/knowledge/documents/",
            data={"collection": collection},
            files={"file": ("harbour.md", b"# Harbour\n\nIt opens at nine.")},
            headers={"Idempotency-Key": "at-once"},
        )

    body = _check_one(_at_once(upload))

    assert _jobs(person, "knowledge.ingest") == [body["job"]["id"]]
    documents = person.get(f"/api/v1/knowledge/documents/?collection={collection}")["data"]
    assert [row["id"] for row in documents] == [body["document"]["id"]]


def test_fifty_keys_at_once_make_fifty_turns(person: Client) -> None:
    keys = itertools.count()

    answers = _at_once(lambda: _say(person, f"key-{next(keys)}"))

    assert {answer.status_code for answer in answers} == {202}
    assert sorted(_jobs(person, "chat.turn")) == sorted(row.json()["id"] for row in answers)
    assert len({answer.json()["id"] for answer in answers}) == CLIENTS


def test_one_key_at_once_with_two_bodies_makes_one_turn(person: Client) -> None:
    numbers = itertools.count()

    answers = _at_once(lambda: _say(person, "mixed", f"body {next(numbers) % 2}"))

    made = {answer.json()["id"] for answer in answers if answer.status_code == 202}
    refused = {answer.json()["code"] for answer in answers if answer.status_code != 202}
    assert refused == {"idempotency_key_reused"}
    assert _jobs(person, "chat.turn") == [*made]
    assert len(_said(person)) == 1


def _restart(stack: Stack, *, pause_at: str = "") -> None:
    """Start the front door again, as it is or as one that stops at a point."""
    words = stack.commands["web"]
    module = "tests.acceptance.pausing_web" if pause_at else "project.asgi"
    stack.commands["web"] = (*words[:2], f"{module}:application", *words[3:])
    stack.environment["PAUSE_AT"] = pause_at
    stack.start("web")
    until(lambda: _answers(stack), seconds=60)


def _answers(stack: Stack) -> bool:
    try:
        return httpx.get(f"{stack.url}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("point", ["taken", "created", "kept", "committed"])
def test_a_killed_front_door_and_the_same_again_make_one_turn(
    stack: Stack, person: Client, point: str
) -> None:
    paused = stack.home / f"paused.{point}"
    stack.environment["PAUSED_FILE"] = str(paused)
    stack.kill("web")
    _restart(stack, pause_at=point)
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(_say, person, "killed")
        until(paused.exists)
        stack.kill("web")
        with pytest.raises(httpx.TransportError):
            lost.result()
    _restart(stack)

    again, once_more = _say(person, "killed"), _say(person, "killed")

    assert (again.status_code, once_more.status_code) == (202, 202)
    # What was not committed is made now; what was is found, although nobody was ever told.
    assert ("Idempotency-Replayed" in again.headers) == (point == "committed")
    assert once_more.headers["Idempotency-Replayed"] == "true"
    assert once_more.json() == again.json()
    assert _jobs(person, "chat.turn") == [again.json()["id"]]
    assert _said(person) == ["What is a lease?"]


def test_whoever_keeps_trying_through_kills_makes_one_turn_a_key(
    stack: Stack, person: Client
) -> None:
    keys = [f"key-{number}" for number in range(40)]
    answered = list[str]()

    def insist_twice(key: str) -> set[str]:
        # The second finds what the first made, whoever was told of it.
        made = {_insist(person, key).json()["id"] for _ in range(2)}
        answered.append(key)
        return made

    def has_answered(count: int) -> bool:
        return len(answered) >= count

    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(insist_twice, key) for key in keys]
        for count in (4, 14, 24):
            until(partial(has_answered, count), seconds=60, pause=0.01)
            stack.kill("web")
            _restart(stack)

    made = [future.result() for future in found]
    assert [ids for ids in made if len(ids) != 1] == []
    assert sorted(_jobs(person, "chat.turn")) == sorted(set().union(*made))
    assert _said(person) == ["What is a lease?"] * len(keys)


def _insist(client: Client, key: str) -> httpx.Response:
    """Send the same until there is an answer."""
    while True:
        try:
            answer = _say(client, key)
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        assert answer.status_code == 202, answer.text
        return answer
