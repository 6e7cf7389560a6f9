"""A flat price a turn, on real processes: what the balance covers, and no turn twice (I4)."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import httpx
import pytest

from tests.acceptance.client import FINAL, Client
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack, until
from tests.acceptance.test_killed_worker import Scene
from tests.services import on_each_database

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.long,
    pytest.mark.needs("redis"),
    on_each_database,
]

PRICE = 5
TURNS, COVERED = 200, 40
_numbers = count(1)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Scene]:
    home, pauses = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("pauses")
    prices = {
        "CREDITS_FOR": "everyone",
        "CREDITS_PER_TURN": str(PRICE),
        "CREDITS_GRANT": "0",
    }
    environment = {**services, **prices, "PAUSE_DIR": str(pauses)}
    with running_stack(home, environment, app="tests.acceptance.pausing", only=PLAIN_TURN) as stack:
        yield Scene(stack, None, pauses)  # type: ignore[arg-type]  # nothing is mailed here


@pytest.fixture
def stack(scene: Scene) -> Iterator[Stack]:
    """The stack, whose whole ledger has to balance when a test is done with it."""
    yield scene.stack
    assert scene.stack.manage("credits", "check") == "The ledger balances.\n"


def person_with(stack: Stack, amount: int) -> Client:
    """Register an account that can spend this much."""
    client = stack.client(f"person{next(_numbers)}@example.com")
    client.sign_up()
    said = stack.manage("credits", "grant", client.email, str(amount), "--note", "welcome")
    assert said == f"{client.email} can spend {amount}.\n"
    return client


def ledger(client: Client) -> tuple[tuple[int, int], list[tuple[str, int]]]:
    """Read what can be spent and what is held, and the entries, the oldest first."""
    account = client.get("/api/v1/credits/")
    page = client.get("/api/v1/credits/entries/?limit=200")
    rows = page["data"][::-1]
    assert page["next"] is None
    assert account["balance"] == sum(row["amount"] for row in rows)
    return (account["balance"], account["held"]), [(row["kind"], row["amount"]) for row in rows]


def turns_at_once(client: Client, number: int) -> list[httpx.Response]:
    """Send turns, each from a thread and into a conversation of its own, all at one moment.

    A 503, which a crowded SQLite may give, has written nothing and says to come again.
    """
    start = threading.Barrier(number)
    limits = httpx.Limits(max_connections=number)
    same = client._http
    with httpx.Client(
        base_url=same.base_url, headers=same.headers, limits=limits, timeout=240
    ) as http:

        def send(index: int) -> httpx.Response:
            body = {"message": f"Question {index}"}
            start.wait()
            while (answer := http.post("/api/v1/turns/", json=body)).status_code == 503:
                time.sleep(float(answer.headers["Retry-After"]))
            return answer

        with ThreadPoolExecutor(number) as pool:
            return list(pool.map(send, range(number)))


def turns(client: Client) -> dict[str, str]:
    """Read the state of every turn of an account, page by page."""
    states: dict[str, str] = {}
    place = "/api/v1/jobs/?kind=chat.turn&limit=100"
    while place:
        page = client.get(place)
        states |= {job["id"]: job["state"] for job in page["data"]}
        place = page["next"]
    return states


def test_of_200_turns_at_once_a_balance_for_40_pays_for_40(stack: Stack) -> None:
    client = person_with(stack, COVERED * PRICE + PRICE - 1)

    answers = turns_at_once(client, TURNS)

    assert Counter(answer.status_code for answer in answers) == {202: COVERED, 402: TURNS - COVERED}
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 402}
    assert refused == {"insufficient_credits"}
    accepted = {answer.json()["id"] for answer in answers if answer.status_code == 202}
    assert turns(client).keys() == accepted
    assert len(client.get("/api/v1/conversations/?limit=200")["data"]) == COVERED

    until(lambda: set(turns(client).values()) <= FINAL, seconds=180, pause=1)

    assert Counter(turns(client).values()) == {"completed": COVERED}
    balance, lines = ledger(client)
    assert balance == (PRICE - 1, 0)
    assert Counter(kind for kind, _ in lines) == {
        "grant": 1,
        "reserve": COVERED,
        "release": COVERED,
        "settle": COVERED,
    }


def test_a_failed_turn_is_given_back_and_a_retry_is_held_anew(stack: Stack) -> None:
    client = person_with(stack, PRICE)
    failing = "Say something. [[sandbox error=400 times=1]]"

    job = client.wait(client.turn(failing)["id"])

    assert job["state"] == "failed", job
    assert ledger(client) == (
        (PRICE, 0),
        [("grant", PRICE), ("reserve", -PRICE), ("release", PRICE)],
    )
    retried = client.request("POST", f"/api/v1/jobs/{job['id']}/retry/")
    assert retried.json()["state"] == "queued", retried.text
    again = client.wait(job["id"])
    assert again["state"] == "completed", again
    balance, lines = ledger(client)
    assert balance == (0, 0)
    assert lines[3:] == [("reserve", -PRICE), ("release", PRICE), ("settle", -PRICE)]
    refused = client.request("POST", "/api/v1/turns/", json={"message": "More."})
    assert (refused.status_code, refused.json()["code"]) == (402, "insufficient_credits")


def _generating(client: Client, job_id: str) -> bool:
    steps = client.get(f"/api/v1/jobs/{job_id}/")["steps"]
    return any(step["progress"].get("response_id") for step in steps)


def test_a_cancelled_turn_is_paid_for_once_its_generation_has_begun(stack: Stack) -> None:
    client = person_with(stack, 3 * PRICE)
    slow = client.turn("Tell me a long story. [[sandbox delta=0.5]]")
    behind = client.turn("And then?", conversation_id=slow["conversation_id"])
    until(lambda: _generating(client, slow["id"]), seconds=60)

    for job in (behind, slow):
        answer = client.request("POST", f"/api/v1/jobs/{job['id']}/cancel/")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        again = client.request("POST", f"/api/v1/jobs/{job['id']}/cancel/")
        assert again.status_code == 409

    balance, lines = ledger(client)
    assert balance == (2 * PRICE, 0)
    assert Counter(lines) == {
        ("grant", 3 * PRICE): 1,
        ("reserve", -PRICE): 2,
        ("release", PRICE): 2,
        ("settle", -PRICE): 1,
    }


@pytest.mark.parametrize("point", ["begun", "recording"])
def test_a_turn_whose_worker_is_killed_as_it_settles_is_charged_once(
    scene: Scene, stack: Stack, point: str
) -> None:
    client = person_with(stack, 2 * PRICE)
    scene.ask_pause("chat.finish", point)

    accepted = client.turn("What is a turnpike?")
    scene.kill_at("chat.finish", point, "default")

    job = client.wait(accepted["id"], seconds=90)
    assert job["state"] == "completed", job
    assert [step["attempt"] for step in job["steps"]][-2:] == [1, 2]
    assert ledger(client) == (
        (PRICE, 0),
        [("grant", 2 * PRICE), ("reserve", -PRICE), ("release", PRICE), ("settle", -PRICE)],
    )
