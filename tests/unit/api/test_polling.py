"""Asking for a job: what changed, when to ask again, and for how long an answer may wait."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from api.waiting import Parked
from pipelines.accounts.models import User
from pipelines.chat.services import turn_accept
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.services import job_cancel
from tests.unit.api.conftest import Rows

TURNS = "/api/v1/turns/"


@pytest.fixture
def job(user: User) -> Job:
    return turn_accept(owner=user, message="hello").job


def address(job: Job, query: str = "") -> str:
    return f"/api/v1/jobs/{job.pk}/{query}"


def parked(response: Any) -> Parked | None:
    found: Parked | None = getattr(response, "parked", None)
    return found


def test_a_job_that_is_as_it_was_is_not_sent_again(client: APIClient, job: Job) -> None:
    first = client.get(address(job))
    same = client.get(address(job), headers={"If-None-Match": first["ETag"]})
    job_cancel(job_id=job.pk)
    changed = client.get(address(job), headers={"If-None-Match": first["ETag"]})

    assert (first.status_code, first["Cache-Control"]) == (200, "no-store")
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", first["ETag"])
    assert (changed.status_code, changed.json()["state"]) == (200, "cancelled")
    assert changed["ETag"] != first["ETag"]


def test_a_client_is_told_when_to_ask_again(client: APIClient, job: Job) -> None:
    assert client.get(address(job))["Retry-After"] == "1"

    JobStep.objects.filter(job=job).update(ready_at=timezone.now() + timedelta(seconds=9.5))
    assert client.get(address(job))["Retry-After"] == "10"

    JobStep.objects.filter(job=job).update(ready_at=timezone.now() + timedelta(hours=1))
    assert client.get(address(job))["Retry-After"] == "60"

    job_cancel(job_id=job.pk)
    assert "Retry-After" not in client.get(address(job))


@pytest.mark.parametrize("wait", ["61", "-1", "1.5", "soon", "", "9999999999"])
def test_a_wait_that_cannot_be_is_refused(client: APIClient, job: Job, wait: str) -> None:
    refused = client.get(address(job, f"?wait={wait}"))

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_wait")
    assert parked(refused) is None


def test_a_poll_waits_for_the_end(client: APIClient, job: Job) -> None:
    waiting = parked(client.get(address(job, "?wait=60")))

    assert waiting is not None
    assert (waiting.job_id, waiting.seconds, waiting.at_any_news) == (job.pk, 60, False)
    assert waiting.look(is_over=False) is not None
    job_cancel(job_id=job.pk)
    answer: Any = waiting.look(is_over=True)
    assert b'"state":"cancelled"' in answer.content


def test_a_poll_for_news_waits_for_any(client: APIClient, job: Job) -> None:
    known = {"If-None-Match": client.get(address(job))["ETag"]}

    waiting = parked(client.get(address(job, "?wait=5"), headers=known))

    assert waiting is not None
    assert waiting.at_any_news
    assert waiting.look(is_over=False) is None
    unchanged: Any = waiting.look(is_over=True)
    assert unchanged.status_code == 304
    JobStep.objects.filter(job=job).update(reason="another")
    changed: Any = waiting.look(is_over=False)
    assert changed.status_code == 200


def test_nothing_waits_for_what_is_known(client: APIClient, job: Job) -> None:
    """Given news for the client, or a job that has ended, the answer comes at once."""
    assert parked(client.get(address(job, "?wait=0"))) is None
    assert parked(client.get(address(job, "?wait=5"), headers={"If-None-Match": '"old"'})) is None
    job_cancel(job_id=job.pk)
    assert parked(client.get(address(job, "?wait=5"))) is None


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=10", 10),
        ("respond-async, wait=10", 10),
        ("respond-async;foo, WAIT = 10", 10),
        ('wait="10"', 10),
        ("wait=600", 60),
        ("wait=0", 0),
        ("respond-async", 0),
        ("wait", 0),
        ("wait=soon", 0),
        ("wait=-5", 0),
        ("wait=10x", 0),
        ("await=10", 0),
        ("", 0),
    ],
)
def test_a_preference_is_heeded_as_far_as_it_goes(
    client: APIClient, prefer: str, seconds: int
) -> None:
    """RFC 7240: what is not understood is passed over."""
    answer = client.post(TURNS, {"message": "hi"}, format="json", headers={"Prefer": prefer})

    assert answer.status_code == 202
    waiting = parked(answer)
    assert (waiting.seconds if waiting else 0) == seconds


def test_what_was_accepted_is_answered_as_it_has_become(client: APIClient) -> None:
    accepted = client.post(TURNS, {"message": "hi"}, format="json", headers={"Prefer": "wait=5"})
    waiting = parked(accepted)
    assert waiting is not None

    assert waiting.look(is_over=False) is None
    unfinished: Any = waiting.look(is_over=True)
    assert (unfinished.status_code, unfinished["Retry-After"]) == (202, "1")
    job_cancel(job_id=waiting.job_id)
    finished: Any = waiting.look(is_over=True)

    assert finished.status_code == 200
    assert b'"state":"cancelled"' in finished.content
    ids = {name: accepted.json()[name] for name in ("conversation_id", "message_id")}
    for value in ids.values():
        assert value.encode() in finished.content


def test_a_job_within_an_answer_is_put_in_its_place(client: APIClient) -> None:
    """Given an upload, whose answer holds the document beside the job, only the job changes."""
    collection = client.post("/api/v1/knowledge/collections/", {"name": "Docs"}, format="json")
    body = {"collection": collection.json()["id"], "file": SimpleUploadedFile("a.txt", b"text")}
    accepted = client.post(
        "/api/v1/knowledge/documents/", body, format="multipart", headers={"Prefer": "wait=5"}
    )
    waiting = parked(accepted)
    assert waiting is not None
    job_cancel(job_id=waiting.job_id)

    later: Any = waiting.look(is_over=True)

    shown = json.loads(later.content)
    assert shown["job"]["state"] == "cancelled"
    assert shown["document"] == accepted.json()["document"]


def test_a_repeated_request_waits_too(client: APIClient, rows: Rows) -> None:
    headers = {"Idempotency-Key": "once", "Prefer": "wait=5"}
    first = client.post(TURNS, {"message": "hi"}, format="json", headers=headers)
    before = rows()

    again = client.post(TURNS, {"message": "hi"}, format="json", headers=headers)

    assert again["Idempotency-Replayed"] == "true"
    ours, theirs = parked(first), parked(again)
    assert ours is not None
    assert theirs is not None
    assert ours.job_id == theirs.job_id
    assert rows() == before


def test_what_is_refused_does_not_wait(client: APIClient) -> None:
    refused = client.post(TURNS, {"message": ""}, format="json", headers={"Prefer": "wait=5"})

    assert refused.status_code == 422
    assert parked(refused) is None


def test_waiting_can_be_switched_off(client: APIClient, job: Job, settings: Settings) -> None:
    settings.WAIT_MAX_SECONDS = 0

    answer = client.post(TURNS, {"message": "hi"}, format="json", headers={"Prefer": "wait=5"})

    assert parked(answer) is None
    assert client.get(address(job, "?wait=1")).status_code == 422
