"""What failed for good is seen by staff and owner, and goes on from the step that failed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, ROOT, Stack, running_stack, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.long, pytest.mark.needs("redis")]

REFUSED_ONCE = "When does the harbour open? [[sandbox error=401 times=1]] ({})"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    """All that a turn about a document passes through."""
    home = tmp_path_factory.mktemp("home")
    with running_stack(home, services, only=(*PLAIN_TURN, "embed")) as stack:
        yield stack


@pytest.fixture(scope="module")
def person(stack: Stack) -> Client:
    """An account with a document to ask about, so that a turn has a step before the model's."""
    client = stack.client("ada@example.com")
    client.sign_up()
    client.upload("Notes", "harbour.md", b"# Harbour\n\nIt opens at nine.")
    return client


@pytest.fixture(scope="module")
def staff(stack: Stack) -> Client:
    """An account of the staff."""
    return stack.staff(is_superuser=True)


def _failed(person: Client, name: str) -> Any:
    """Let a turn fail for good in its second step."""
    job = person.wait(person.turn(REFUSED_ONCE.format(name))["id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "provider_refused")
    assert _attempts(job) == {"chat.retrieve": 1, "chat.generate": 1, "chat.finish": 0}
    # Celery's own records come a moment later, and are compared, too.
    until(lambda: _is_recorded(person.get(f"/api/v1/jobs/{job['id']}/")))
    return person.get(f"/api/v1/jobs/{job['id']}/")


def _is_recorded(job: Any) -> bool:
    """Whether each step that was tried has its record."""
    return all(step["record"] for step in job["steps"] if step["attempt"])


def _attempts(job: Any) -> dict[str, int]:
    return {step["name"]: step["attempt"] for step in job["steps"]}


def _check_went_on(person: Client, failed: Any) -> None:
    """Check that a job was completed by the step that had failed and the one after it alone."""
    job = person.wait(failed["id"])
    assert (job["state"], job["error"]) == ("completed", None)
    assert _attempts(job) == {"chat.retrieve": 1, "chat.generate": 2, "chat.finish": 1}
    assert job["steps"][0] == failed["steps"][0]
    place = f"/api/v1/conversations/{job['result']['conversation_id']}/messages/"
    said = [(row["role"], row["job_id"]) for row in person.get(place)["data"]]
    assert said == [("user", job["id"]), ("assistant", job["id"])]


def test_staff_run_a_turn_again_by_the_api(person: Client, staff: Client) -> None:
    failed = _failed(person, "api")
    place = "/api/v1/dead-letters/?kind=chat.turn&error_code=provider_refused"
    assert failed["id"] in [row["id"] for row in staff.get(place)["data"]]

    answer = staff.request("POST", "/api/v1/dead-letters/replay/", json={"ids": [failed["id"]]})

    assert (answer.status_code, answer.json()["replayed"]) == (200, 1)
    _check_went_on(person, failed)
    assert failed["id"] not in [row["id"] for row in staff.get(place)["data"]]


def test_staff_run_all_that_a_filter_chooses(person: Client, staff: Client) -> None:
    failed = [_failed(person, f"filter {number}") for number in range(3)]

    answer = staff.request(
        "POST",
        "/api/v1/dead-letters/replay/",
        json={"kind": "chat.turn", "owner": person.get("/api/v1/accounts/me/")["id"]},
    )

    assert answer.json() == {"replayed": 3, "refused": [], "remaining": 0}
    for job in failed:
        _check_went_on(person, job)


def test_an_operator_runs_a_turn_again_by_the_command(stack: Stack, person: Client) -> None:
    failed = _failed(person, "command")

    listed = stack.manage("deadletters", "list", "--kind", "chat.turn", "--since", "1h")
    printed = stack.manage("deadletters", "replay", "--code", "provider_refused", "--since", "1h")

    assert f"{failed['id']}  " in listed
    assert "ada@example.com" in listed
    assert f"{failed['id']}  runs again" in printed
    assert printed.endswith("Refused: 0. Left: 0.\n")
    _check_went_on(person, failed)
    assert _status(stack, "replay", failed["id"]) == 1
    assert _status(stack, "replay") == 2


def _status(stack: Stack, *words: str) -> int:
    command = [sys.executable, "manage.py", "deadletters", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=stack.environment, capture_output=True, check=False
    )
    return done.returncode


def test_an_owner_runs_a_turn_again(person: Client) -> None:
    failed = _failed(person, "owner")
    listed = person.get("/api/v1/jobs/?state=failed")["data"]
    assert [row["id"] for row in listed] == [failed["id"]]

    answer = person.request("POST", f"/api/v1/jobs/{failed['id']}/retry/")

    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    _check_went_on(person, failed)


def test_nobody_else_sees_or_runs_it(stack: Stack, person: Client) -> None:
    failed = _failed(person, "eve")
    eve, nobody = stack.client("eve@example.com"), stack.client("nobody@example.com")
    eve.sign_up()

    statuses = [
        client.request(
            method, f"/api/v1/dead-letters/{path}", json={"ids": [failed["id"]]}
        ).status_code
        for client in (eve, nobody)
        for method, path in (("GET", ""), ("POST", "replay/"))
    ]

    assert statuses == [403, 403, 401, 401]
    assert eve.request("POST", f"/api/v1/jobs/{failed['id']}/retry/").status_code == 404
    assert person.get(f"/api/v1/jobs/{failed['id']}/") == failed
