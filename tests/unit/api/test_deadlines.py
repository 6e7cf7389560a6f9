"""A client says until when it wants a job done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.jobs import relay
from pipelines.jobs.models import Job
from tests.factories import CollectionFactory
from tests.unit.api.conftest import Rows

NOW = timezone.now()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Let time stand still."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    return NOW


def _say(client: APIClient, cancel_after: str | None = None, **body: Any) -> Any:
    headers = {} if cancel_after is None else {"Cancel-After": cancel_after}
    return client.post("/api/v1/turns/", {"message": "Hello", **body}, "json", headers=headers)


def _in(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()


def _seconds() -> float | None:
    deadline = Job.objects.get().deadline
    return (deadline - NOW).total_seconds() if deadline else None


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize(
    ("asked", "seconds"), [("90", 90), ("90s", 90), (" 5m ", 300), ("1h", 3_600), ("5", 5)]
)
def test_cancel_after_counts_from_now(client: APIClient, asked: str, seconds: int) -> None:
    """Given the header, the job ends so long after it was accepted, and says so."""
    response = _say(client, asked)
    assert response.status_code == 202
    assert _seconds() == seconds
    assert datetime.fromisoformat(response.json()["deadline"]) == NOW + timedelta(seconds=seconds)


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize(
    "asked", ["", "soon", "4", "4s", "0", "-5", "1.5", "5 m", "5d", "٩٠", "1h30m", "9" * 10]
)
def test_any_other_cancel_after_is_refused(client: APIClient, rows: Rows, asked: str) -> None:
    """Given a header that is no span, or one out of bounds, nothing is written."""
    before = rows()
    response = _say(client, asked)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_cancel_after")
    assert response.json()["errors"][0]["field"] == "Cancel-After"
    assert rows() == before


@pytest.mark.usefixtures("now")
def test_a_span_has_bounds(client: APIClient, settings: Settings) -> None:
    """Given both settings, each edge is accepted and what lies beyond is not."""
    settings.CANCEL_AFTER_MIN_SECONDS, settings.CANCEL_AFTER_MAX_SECONDS = 10, 60
    asked = ["9", "10", "60", "1m", "61", "2m"]
    assert [_say(client, span).status_code for span in asked] == [422, 202, 202, 202, 422, 422]


@pytest.mark.usefixtures("now")
def test_a_deadline_is_a_moment_in_the_future(client: APIClient, settings: Settings) -> None:
    """Given a moment between now and the furthest allowed, it is the job's."""
    settings.CANCEL_AFTER_MAX_SECONDS = 60
    assert _say(client, deadline=_in(60)).status_code == 202
    assert _seconds() == 60
    for moment, code in ((_in(0), "past"), (_in(-5), "past"), (_in(60.1), "too_far")):
        response = _say(client, deadline=moment)
        assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
        fault = response.json()["errors"][0]
        assert (fault["field"], fault["code"]) == ("deadline", code)


@pytest.mark.parametrize("moment", ["tomorrow", 5, "2030-13-01", "0001-01-01T00:00:00+14:00", {}])
def test_what_is_no_moment_is_refused(client: APIClient, rows: Rows, moment: Any) -> None:
    """Given anything but a moment in ISO 8601, nothing is written."""
    before = rows()
    response = _say(client, deadline=moment)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
    assert rows() == before


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize(("asked", "moment", "seconds"), [("90", 30, 30), ("30", 90, 30)])
def test_the_earlier_of_both_counts(
    client: APIClient, asked: str, moment: int, seconds: int
) -> None:
    """Given the header and the body, whichever comes first is the job's."""
    _say(client, asked, deadline=_in(moment))
    assert _seconds() == seconds


def test_none_is_none(client: APIClient) -> None:
    """Given neither, the job may take as long as it takes."""
    assert _say(client).json()["deadline"] is None
    assert _say(client, deadline=None).json()["deadline"] is None


def _upload(client: APIClient, user: User, headers: dict[str, str]) -> Any:
    collection = CollectionFactory.create(owner=user)
    form = {"file": SimpleUploadedFile("a.txt", b"x"), "collection": str(collection.pk)}
    return client.post("/api/v1/knowledge/documents/", form, headers=headers)


def _search(client: APIClient, _: User, headers: dict[str, str]) -> Any:
    return client.post("/api/v1/knowledge/search/", {"query": "x"}, "json", headers=headers)


def _report(client: APIClient, _: User, headers: dict[str, str]) -> Any:
    body = {"title": "One", "content": "# One"}
    return client.post("/api/v1/reports/", body, "json", headers=headers)


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("post", [_upload, _search, _report])
def test_every_job_may_have_one(
    client: APIClient, user: User, post: Callable[[APIClient, User, dict[str, str]], Any]
) -> None:
    """Given the header on any other route that makes a job, it is the job's."""
    assert post(client, user, {"Cancel-After": "1m"}).status_code == 202
    assert _seconds() == 60


def test_what_is_not_done_in_time_fails(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a passed deadline, the relay ends the job, and its owner reads why."""
    accepted = _say(client, "30").json()
    assert relay.end_overdue() == 0
    later = timezone.now() + timedelta(seconds=31)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert relay.end_overdue() == 1
    job = client.get(f"/api/v1/jobs/{accepted['id']}/").json()
    assert (job["state"], job["error"]["code"]) == ("failed", "deadline_exceeded")
    assert job["deadline"] == accepted["deadline"]
