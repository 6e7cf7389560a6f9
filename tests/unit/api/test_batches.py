"""Batches over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.batches.models import Batch
from pipelines.batches.services import batch_accept, turns_accept_some
from tests.factories import CollectionFactory
from tests.unit.api.conftest import Rows

BATCHES = "/api/v1/batches/"
NONE = dict.fromkeys(
    ("waiting", "refused", "queued", "in_progress", "completed", "failed", "cancelled"), 0
) | {"incomplete": 0}


@pytest.fixture
def batch(user: User) -> Batch:
    turns = [{"message": "Who pays?", "custom_id": "first"}, {"message": "And why?"}]
    return batch_accept(owner=user, turns=turns)


def test_many_turns_are_one_request(client: APIClient, user: User) -> None:
    collection = CollectionFactory.create(owner=user)
    turns = [
        {"message": "Who pays?", "custom_id": "first", "collections": [str(collection.pk)]},
        {"message": "And why?", "provider": "", "metadata": {"n": 2}},
    ]

    made = client.post(BATCHES, {"turns": turns, "metadata": {"mine": 1}}, format="json")

    assert made.status_code == 202
    body, batch = made.json(), Batch.objects.get()
    assert made["Location"] == f"{BATCHES}{batch.pk}/"
    assert body == {
        "id": str(batch.pk),
        "state": "in_progress",
        "total": 2,
        "counts": NONE | {"waiting": 2},
        "metadata": {"mine": 1},
        "created_at": body["created_at"],
        "finished_at": None,
    }
    assert turns_accept_some(batch.pk) is True
    assert client.get(made["Location"]).json() == body | {"counts": NONE | {"queued": 2}}
    assert client.get(BATCHES).json()["data"] == [body | {"counts": NONE | {"queued": 2}}]


def test_each_turn_tells_what_came_of_it(client: APIClient, batch: Batch) -> None:
    before = client.get(f"{BATCHES}{batch.pk}/turns/").json()["data"]
    turns_accept_some(batch.pk)
    after = client.get(f"{BATCHES}{batch.pk}/turns/").json()["data"]

    assert before[0] == {
        "position": 0,
        "custom_id": "first",
        "job_id": None,
        "state": None,
        "error": None,
        "result": None,
    }
    assert [(row["custom_id"], row["state"]) for row in after] == [
        ("first", "queued"),
        ("", "queued"),
    ]
    job = client.get(f"/api/v1/jobs/{after[1]['job_id']}/").json()
    assert (job["kind"], job["state"]) == ("chat.turn", "queued")


def test_a_cancel_ends_what_had_not_ended(client: APIClient, batch: Batch) -> None:
    cancelled = client.post(f"{BATCHES}{batch.pk}/cancel/")
    again = client.post(f"{BATCHES}{batch.pk}/cancel/")

    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert cancelled.json()["counts"] == NONE | {"cancelled": 2}
    assert (again.status_code, again.json()["code"]) == (409, "already_ended")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "turns", "required"),
        ({"turns": []}, "turns", "empty"),
        ({"turns": [{"message": "a"}] * 3}, "turns", "too_many_turns"),
        ({"turns": [{"message": ""}]}, "message", "empty"),
        ({"turns": [{"message": 1}]}, "turns.0.message", "invalid"),
        ({"turns": [{"message": "a", "custom_id": "x" * 65}]}, "turns.0.custom_id", "max_length"),
        ({"turns": [{"message": "a", "custom_id": "x"}] * 2}, "turns", "custom_id_taken"),
        (
            {"turns": [{"message": "a", "conversation_id": "x"}]},
            "turns.0.conversation_id",
            "invalid",
        ),
    ],
)
def test_what_is_no_batch_is_refused(
    client: APIClient, rows: Rows, settings: Settings, body: Any, field: str, code: str
) -> None:
    settings.BATCH_MAX_TURNS = 2
    before = rows()

    refused = client.post(BATCHES, body, format="json")

    assert refused.status_code == 422
    assert [(row["field"], row["code"]) for row in refused.json()["errors"]] == [(field, code)]
    assert rows() == before


@pytest.mark.parametrize(("spare", "status"), [(0, 202), (-1, 413)])
def test_a_body_may_have_so_many_bytes(
    client: APIClient, settings: Settings, spare: int, status: int
) -> None:
    """Given more than any other body may have, and at most BATCH_MAX_BYTES."""
    text = '{"turns": [{"message": "' + "x" * 30_000 + '"}]}'
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_024
    settings.BATCH_MAX_BYTES = len(text) + spare

    answer = client.post(BATCHES, text, content_type="application/json")

    assert answer.status_code == status


@pytest.mark.parametrize(("method", "path"), [("get", ""), ("get", "turns/"), ("post", "cancel/")])
def test_anothers_is_as_one_that_does_not_exist(
    stranger: APIClient, user: User, batch: Batch, method: str, path: str
) -> None:
    anothers, unknown = (
        getattr(stranger, method)(f"{BATCHES}{pk}/{path}") for pk in (batch.pk, user.pk)
    )
    assert anothers.status_code == unknown.status_code == 404
    assert anothers.json() == unknown.json()
    assert stranger.get(BATCHES).json()["data"] == []
