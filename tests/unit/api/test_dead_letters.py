"""Staff see the failed jobs of everybody, and run them again."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.jobs.models import Job
from tests.factories import JobFactory, StaffFactory, StepFactory, UserFactory, failed_job
from tests.unit.api.conftest import Rows

LIST = "/api/v1/dead-letters/"
REPLAY = "/api/v1/dead-letters/replay/"


def _client(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def staff(db: None) -> APIClient:
    """Somebody who may do everything."""
    return _client(StaffFactory.create())


def _with_right(codename: str, **fields: Any) -> APIClient:
    user = UserFactory.create(**fields)
    user.user_permissions.add(Permission.objects.get(codename=codename))
    return _client(user)


def _replay(client: APIClient, **body: Any) -> Any:
    return client.post(REPLAY, body, format="json")


def test_staff_see_what_failed_whosever_it_is(staff: APIClient) -> None:
    """Given failed jobs of two owners and of the house, they alone are listed, newest first."""
    jobs = [failed_job(), failed_job(), failed_job(owner=None)]
    StepFactory.create()
    data = staff.get(LIST).json()["data"]
    assert [row["id"] for row in data] == [str(job.pk) for job in reversed(jobs)]
    assert [row["owner"] for row in data] == [
        None,
        str(jobs[1].owner_id),
        str(jobs[0].owner_id),
    ]
    assert data[0]["error"] == {"code": "provider_refused", "detail": "The key was refused."}
    assert data[0]["steps"][0]["state"] == "failed"


def test_filters_choose(staff: APIClient) -> None:
    """Given failed jobs that differ, each filter finds its own."""
    old = failed_job(created_at="2026-01-01T00:00:00Z")
    turn = failed_job(kind="chat.turn")
    Job.objects.filter(pk=turn.pk).update(error_code="deadline_exceeded")

    def found(**filters: str) -> list[str]:
        return [row["id"] for row in staff.get(LIST, filters).json()["data"]]

    assert found(kind="chat.turn") == [str(turn.pk)]
    assert found(error_code="provider_refused") == [str(old.pk)]
    assert found(owner=str(turn.owner_id)) == [str(turn.pk)]
    assert found(created_before="2026-01-02T00:00:00Z") == [str(old.pk)]
    assert found(created_after="2026-01-02T00:00:00Z") == [str(turn.pk)]
    assert found(kind="chat.turn", error_code="provider_refused") == []


@pytest.mark.parametrize("name", ["kind", "owner", "created_after", "created_before"])
def test_an_unknown_filter_value_is_refused(staff: APIClient, name: str) -> None:
    """Given a value that a filter cannot have, both routes refuse it by name."""
    for response in (staff.get(LIST, {name: "nonsense"}), _replay(staff, **{name: "nonsense"})):
        assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
        assert [error["field"] for error in response.json()["errors"]] == [name]


def test_a_page_costs_the_same_whatever_its_length(
    staff: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Given one dead letter or five, the page takes the same five queries."""
    for count in (1, 4):
        for _ in range(count):
            failed_job()
        # Jobs, steps, artifacts and children; Celery's records.
        with django_assert_num_queries(5):
            staff.get(LIST)


def test_named_jobs_run_again(staff: APIClient) -> None:
    """Given ids, those that failed run again; the others are named with the reason."""
    dead, waiting, gone = failed_job(), StepFactory.create().job, uuid4()
    response = _replay(staff, ids=[str(dead.pk), str(waiting.pk), str(gone)])
    assert response.status_code == 200
    body = response.json()
    assert (body["replayed"], body["remaining"]) == (1, 0)
    assert {row["id"]: row["code"] for row in body["refused"]} == {
        str(waiting.pk): "invalid_transition",
        str(gone): "not_found",
    }
    assert {job.pk: (job.state, job.epoch) for job in Job.objects.all()} == {
        dead.pk: ("queued", 2),
        waiting.pk: ("queued", 1),
    }


def test_what_a_filter_chooses_runs_again_the_oldest_first(
    staff: APIClient, settings: Settings
) -> None:
    """Given more than one request may run again, the oldest do, and the rest is counted."""
    settings.REPLAY_MAX_JOBS = 2
    jobs = [failed_job() for _ in range(5)]
    other = failed_job(kind="chat.turn")

    def states() -> list[str]:
        return [Job.objects.get(pk=job.pk).state for job in jobs]

    first = _replay(staff, kind="knowledge.search").json()
    assert first == {"replayed": 2, "refused": [], "remaining": 3}
    assert states() == ["queued", "queued", "failed", "failed", "failed"]
    assert _replay(staff, kind="knowledge.search").json()["remaining"] == 1
    assert _replay(staff, kind="knowledge.search").json()["remaining"] == 0
    assert states() == ["queued"] * 5
    assert Job.objects.get(pk=other.pk).state == "failed"


def test_ids_have_a_limit(staff: APIClient, settings: Settings, rows: Rows) -> None:
    """Given as many ids as the setting allows they are taken; one more is refused whole."""
    settings.REPLAY_MAX_JOBS = 2
    jobs = [str(failed_job().pk) for _ in range(3)]
    before = rows()
    response = _replay(staff, ids=jobs)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (422, "max_length")
    assert rows() == before
    assert _replay(staff, ids=jobs[:2]).json()["replayed"] == 2


@pytest.mark.parametrize(
    "body",
    [{}, {"ids": []}, {"ids": ["nonsense"]}, {"ids": [str(UUID(int=1))], "kind": "chat.turn"}],
)
def test_nobody_runs_everything_again_by_mistake(
    staff: APIClient, rows: Rows, body: dict[str, Any]
) -> None:
    """Given neither ids nor a filter, or both, nothing runs."""
    failed_job()
    before = rows()
    response = _replay(staff, **body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
    assert rows() == before


def test_nobody_else_may(anonymous: APIClient, client: APIClient, user: User, rows: Rows) -> None:
    """Given one without a credential it is 401, and 403 for anybody without the admin's rights."""
    dead = failed_job(owner=user)
    barred = [
        client,
        _client(UserFactory.create(is_staff=True)),
        _with_right("view_job"),
        _with_right("change_job"),
    ]
    before = rows()
    for other in barred:
        answers = [other.get(LIST), _replay(other, ids=[str(dead.pk)])]
        assert [answer.status_code for answer in answers] == [403, 403]
    for answer in (anonymous.get(LIST), _replay(anonymous, ids=[str(dead.pk)])):
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
    assert rows() == before
    assert Job.objects.get().state == "failed"


@pytest.mark.django_db
def test_whoever_only_looks_cannot_act() -> None:
    """Given staff with the right to view alone, the list opens and nothing can be run again."""
    viewer = _with_right("view_job", is_staff=True)
    dead = failed_job()
    assert viewer.get(LIST).status_code == 200
    assert _replay(viewer, ids=[str(dead.pk)]).status_code == 403


def test_a_pipeline_that_went_away_is_no_filter(staff: APIClient) -> None:
    """Given a job of an unknown kind, it is listed all the same."""
    JobFactory.create(kind="old.kind", state="failed")
    assert staff.get(LIST).json()["data"][0]["kind"] == "old.kind"
