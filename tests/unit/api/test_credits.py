"""Credits: what can be spent, the ledger, and the 402 that writes nothing."""

from __future__ import annotations

from uuid import uuid4

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.chat.pipeline import GENERATE
from pipelines.core.errors import PermanentError
from pipelines.credits.services import credits_grant
from pipelines.jobs.claims import step_claim, step_give_up
from pipelines.jobs.models import Job
from tests.unit.api.conftest import Rows

CREDITS = "/api/v1/credits/"
ENTRIES = "/api/v1/credits/entries/"
TURNS = "/api/v1/turns/"


@pytest.fixture(autouse=True)
def flat(settings: Settings) -> None:
    """Each turn costs 4."""
    settings.CREDITS_MODE, settings.CREDITS_PER_TURN = "flat", 4


def test_the_balance_with_the_prices_in_force(client: APIClient, user: User) -> None:
    """Given ten credits and a turn under way, what it took is held."""
    credits_grant(owner=user, amount=10)
    assert client.post(TURNS, {"message": "hello"}, format="json").status_code == 202
    assert client.get(CREDITS).json() == {
        "balance": 6,
        "held": 4,
        "mode": "flat",
        "per_turn": 4,
        "per_1k_input_tokens": 1,
        "per_1k_output_tokens": 4,
        "reserved_per_turn": 4,
    }


def test_a_new_account_is_opened_by_whoever_looks_first(
    client: APIClient, user: User, settings: Settings
) -> None:
    """Given a grant for new accounts, the balance and the sum of the entries agree at once."""
    settings.CREDITS_GRANT = 3
    assert client.get(CREDITS).json()["balance"] == 3
    assert client.get(CREDITS).json()["balance"] == 3
    assert [row["amount"] for row in client.get(ENTRIES).json()["data"]] == [3]


def test_the_ledger_newest_first(client: APIClient, user: User) -> None:
    """Given a grant and a cancelled turn, each line tells what the balance changed by."""
    credits_grant(owner=user, amount=10, note="welcome")
    job = client.post(TURNS, {"message": "hello"}, format="json").json()["id"]
    client.post(f"/api/v1/jobs/{job}/cancel/")
    rows = client.get(ENTRIES).json()["data"]
    assert [(row["kind"], row["amount"], row["job_id"], row["note"]) for row in rows] == [
        ("release", 4, job, ""),
        ("reserve", -4, job, ""),
        ("grant", 10, None, "welcome"),
    ]
    assert set(rows[0]) == {"id", "kind", "amount", "job_id", "note", "created_at"}


def test_the_ledger_comes_in_pages(client: APIClient, user: User) -> None:
    """Given three entries, two pages hold each of them once."""
    for amount in (1, 2, 3):
        credits_grant(owner=user, amount=amount)
    first = client.get(ENTRIES, {"limit": 2}).json()
    second = client.get(first["next"]).json()
    assert [row["amount"] for row in first["data"] + second["data"]] == [3, 2, 1]
    assert second["next"] is None


def test_nobody_sees_anothers_ledger(client: APIClient, stranger: APIClient, user: User) -> None:
    """Given entries, another account's list is empty and its balance its own."""
    credits_grant(owner=user, amount=10)
    assert stranger.get(ENTRIES).json()["data"] == []
    assert stranger.get(CREDITS).json()["balance"] == 0


@pytest.mark.parametrize("path", [CREDITS, ENTRIES])
def test_a_credential_is_asked_for(anonymous: APIClient, path: str) -> None:
    """Given none, the answer is 401."""
    assert anonymous.get(path).status_code == 401


def test_a_turn_that_cannot_be_paid_for_writes_nothing(
    client: APIClient, user: User, rows: Rows
) -> None:
    """Given less than a turn costs, the answer is a 402 and no row is there that was not before."""
    credits_grant(owner=user, amount=3)
    before = rows()
    answer = client.post(TURNS, {"message": "hello"}, format="json")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status_code, answer.json()) == (
        402,
        {
            "type": "about:blank",
            "title": "Payment Required",
            "status": 402,
            "detail": "This takes 4 credits, and 3 can be spent.",
            "code": "insufficient_credits",
        },
    )
    assert rows() == before


def test_what_cannot_be_found_is_not_paid_for(client: APIClient, user: User) -> None:
    """Given a turn in a conversation that does not exist, the balance stays."""
    credits_grant(owner=user, amount=4)
    body = {"message": "hello", "conversation_id": str(uuid4())}
    assert client.post(TURNS, body, format="json").status_code == 404
    assert client.get(CREDITS).json()["balance"] == 4


def test_a_retry_that_cannot_be_paid_for_is_refused(
    client: APIClient, user: User, rows: Rows
) -> None:
    """Given a failed turn and an empty balance, a retry answers 402, and it stays failed."""
    credits_grant(owner=user, amount=4)
    job = client.post(TURNS, {"message": "hello"}, format="json").json()["id"]
    claim = step_claim(job_id=job, epoch=1, name=GENERATE.name, worker="w", task_id="t")
    step_give_up(claim, PermanentError())
    credits_grant(owner=user, amount=-1)
    before = rows()
    answer = client.post(f"/api/v1/jobs/{job}/retry/")
    assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_credits")
    assert Job.objects.get(pk=job).state == "failed"
    assert rows() == before
