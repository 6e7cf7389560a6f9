"""The log of a job as a stream: who may read it, from where, and when nothing follows."""

from __future__ import annotations

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from api.following import Hub
from pipelines.accounts.models import User
from pipelines.chat.services import turn_accept
from pipelines.jobs.log import STRIDE
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel


@pytest.fixture
def job(user: User) -> Job:
    return turn_accept(owner=user, message="hello").job


def address(job: Job, query: str = "") -> str:
    return f"/api/v1/jobs/{job.pk}/events/{query}"


def test_a_stream_is_nobodys_to_keep_or_to_hold_back(client: APIClient, job: Job) -> None:
    answer = client.get(address(job), headers={"Accept": "text/event-stream"})

    assert (answer.status_code, answer.streaming) == (200, True)
    assert answer["Content-Type"] == "text/event-stream"
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Accel-Buffering"] == "no"


def test_only_its_body_is_to_be_had(client: APIClient, job: Job) -> None:
    assert client.head(address(job)).status_code == 405


def test_who_has_read_everything_is_told_that_nothing_follows(client: APIClient, job: Job) -> None:
    job_cancel(job_id=job.pk)

    assert client.get(address(job)).status_code == 200
    assert client.get(address(job, f"?starting_after={STRIDE - 1}")).status_code == 200
    assert client.get(address(job, f"?starting_after={STRIDE}")).status_code == 204
    assert client.get(address(job), headers={"Last-Event-ID": f"{STRIDE}"}).status_code == 204


def test_the_browsers_own_place_goes_before_the_querys(client: APIClient, job: Job) -> None:
    job_cancel(job_id=job.pk)

    answer = client.get(address(job, "?starting_after=0"), headers={"Last-Event-ID": f"{STRIDE}"})

    assert answer.status_code == 204


@pytest.mark.parametrize("place", ["x", "-1", "1.5", "9" * 17])
def test_a_place_that_cannot_be_is_refused(client: APIClient, job: Job, place: str) -> None:
    by_query = client.get(address(job, f"?starting_after={place}"))
    by_header = client.get(address(job), headers={"Last-Event-ID": place})

    for refused in (by_query, by_header):
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_sequence_number")


def test_the_log_of_another_owner_is_not_there(
    stranger: APIClient, anonymous: APIClient, job: Job
) -> None:
    assert stranger.get(address(job)).status_code == 404
    assert anonymous.get(address(job)).status_code == 401


def test_a_full_house_says_so(
    client: APIClient, job: Job, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FOLLOWERS_MAX = 2
    monkeypatch.setattr(Hub, "followers", 2)

    refused = client.get(address(job))

    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert refused["Retry-After"] == "1"
