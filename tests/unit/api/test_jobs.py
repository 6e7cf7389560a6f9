"""Jobs: their shape, their filters, cancelling and running again."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from django_celery_results.models import TaskResult
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.jobs.models import Job, Node
from pipelines.jobs.states import JobState, StepState
from tests.factories import ArtifactFactory, JobFactory, StaffFactory, StepFactory, failed_job
from tests.unit.api.conftest import Rows


def _serve(*queues: str) -> None:
    Node.objects.create(
        name="worker@here", role="worker", queues=queues, pid=1, seen_at=timezone.now()
    )


def _stamp(moment: Any) -> str:
    return str(moment.isoformat()).replace("+00:00", "Z")


def test_a_waiting_job_says_where_and_why(client: APIClient, user: User) -> None:
    """Given a job behind another, its whole shape is the agreed one."""
    StepFactory.create(job=JobFactory.create())
    job = JobFactory.create(owner=user, metadata={"mine": 1})
    StepFactory.create(job=job)
    assert client.get(f"/api/v1/jobs/{job.pk}/").json() == {
        "id": str(job.pk),
        "kind": "knowledge.search",
        "state": "queued",
        "progress": {"completed": 0, "total": 1, "current": "knowledge.search"},
        "queue": {
            "name": "embed",
            "position": 2,
            "reason": "no worker serves the queue 'embed'",
        },
        "steps": [
            {
                "name": "knowledge.search",
                "queue": "embed",
                "state": "queued",
                "attempt": 0,
                "worker": "",
                "reason": "",
                "ready_at": _stamp(job.created_at),
                "started_at": None,
                "finished_at": None,
                "error": None,
                "progress": {},
                "record": None,
            }
        ],
        "result": None,
        "error": None,
        "artifacts": [],
        "parent": None,
        "children": [],
        "metadata": {"mine": 1},
        "deadline": None,
        "created_at": _stamp(job.created_at),
        "started_at": None,
        "finished_at": None,
    }


def test_a_served_queue_needs_no_reason(client: APIClient, user: User) -> None:
    """Given a worker that serves the queue, only the place is told; a step's own reason stays."""
    _serve("embed", "llm")
    job = JobFactory.create(owner=user)
    StepFactory.create(job=job)
    place = f"/api/v1/jobs/{job.pk}/"
    assert client.get(place).json()["queue"] == {"name": "embed", "position": 1, "reason": ""}
    job.steps.update(ready_at=None, reason="waits for the one before it")
    assert client.get(place).json()["queue"] == {
        "name": "embed",
        "position": None,
        "reason": "waits for the one before it",
    }


def test_a_running_job_waits_nowhere(client: APIClient, user: User) -> None:
    """Given a running second step, the progress counts the first, and no queue is named."""
    job = JobFactory.create(owner=user, state=JobState.IN_PROGRESS, started_at=timezone.now())
    StepFactory.create(job=job, name="chat.retrieve", state=StepState.COMPLETED)
    StepFactory.create(
        job=job,
        name="chat.generate",
        position=1,
        state=StepState.IN_PROGRESS,
        lease_expires_at=timezone.now(),
        progress={"characters": 10},
    )
    body = client.get(f"/api/v1/jobs/{job.pk}/").json()
    assert body["progress"] == {"completed": 1, "total": 2, "current": "chat.generate"}
    assert body["queue"] is None
    assert body["steps"][1]["progress"] == {"characters": 10}


def test_a_failed_job_says_why_and_what_followed(client: APIClient, user: User) -> None:
    """Given a failed job with a file and a child, it shows all three."""
    job = failed_job(owner=user)
    artifact = ArtifactFactory.create(job=job)
    child = JobFactory.create(owner=user, parent=job, kind="reports.report")
    body = client.get(f"/api/v1/jobs/{job.pk}/").json()
    error = {"code": "provider_refused", "detail": "The key was refused."}
    assert (body["error"], body["steps"][0]["error"], body["queue"]) == (error, error, None)
    assert body["progress"] == {"completed": 0, "total": 1, "current": None}
    assert body["artifacts"] == [
        {
            "name": "report.pdf",
            "content_type": "application/pdf",
            "size": 18,
            "sha256": artifact.sha256,
            "url": f"/api/v1/jobs/{job.pk}/artifacts/report.pdf/",
        }
    ]
    assert body["children"] == [{"id": str(child.pk), "kind": "reports.report", "state": "queued"}]
    assert client.get(f"/api/v1/jobs/{child.pk}/").json()["parent"] == str(job.pk)


@pytest.mark.parametrize("is_staff", [False, True])
def test_celerys_record_stands_beside_its_step(client: APIClient, is_staff: bool) -> None:
    """Given Celery's record of a step, it is shown, and its traceback to staff only."""
    owner = StaffFactory.create() if is_staff else StaffFactory.create(is_staff=False)
    client.force_authenticate(owner)
    job = failed_job(owner=owner)
    record = TaskResult.objects.create(
        task_id=str(job.pk), status="FAILURE", worker="w@here", traceback="Traceback …"
    )
    shown = client.get(f"/api/v1/jobs/{job.pk}/").json()["steps"][0]["record"]
    expected = {
        "task_id": str(job.pk),
        "status": "FAILURE",
        "worker": "w@here",
        "date_done": _stamp(record.date_done),
    }
    assert shown == (expected | {"traceback": "Traceback …"} if is_staff else expected)


def test_a_page_costs_the_same_whatever_its_length(
    client: APIClient, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Given one job or ten, the page takes the same seven queries."""
    for count in (1, 9):
        for _ in range(count):
            job = JobFactory.create(owner=user)
            StepFactory.create(job=job, task_id=str(job.pk))
        # Jobs, steps, artifacts and children; Celery's records; nodes; places.
        with django_assert_num_queries(7):
            client.get("/api/v1/jobs/")
    assert len(client.get("/api/v1/jobs/").json()["data"]) == 10


def test_filters_choose(client: APIClient, user: User) -> None:
    """Given jobs of several states, kinds, parents and ages, each filter finds its own."""
    old = JobFactory.create(owner=user, created_at="2026-01-01T00:00:00Z")
    failed = failed_job(owner=user)
    child = JobFactory.create(owner=user, kind="chat.turn", parent=failed)
    JobFactory.create(kind="chat.turn")

    def found(**filters: str) -> list[str]:
        return [row["id"] for row in client.get("/api/v1/jobs/", filters).json()["data"]]

    everything = [str(child.pk), str(failed.pk), str(old.pk)]
    assert found() == everything
    assert found(state="failed") == [str(failed.pk)]
    assert found(state="queued", kind="knowledge.search") == [str(old.pk)]
    assert found(kind="chat.turn") == [str(child.pk)]
    assert found(parent=str(failed.pk)) == [str(child.pk)]
    assert found(parent=str(uuid4())) == []
    assert found(created_before="2026-01-02T00:00:00Z") == [str(old.pk)]
    assert found(created_after="2026-01-02T00:00:00Z") == everything[:2]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "sleeping"),
        ("kind", "nothing"),
        ("kind", "\0"),
        ("parent", "nonsense"),
        ("created_after", "yesterday"),
        ("created_before", "2026-13-01"),
    ],
)
def test_an_unknown_filter_value_is_refused(client: APIClient, name: str, value: str) -> None:
    """Given a value that a filter cannot have, the answer is 422 and names the filter."""
    response = client.get("/api/v1/jobs/", {name: value})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
    assert [error["field"] for error in response.json()["errors"]] == [name]


def test_a_job_is_cancelled_once(client: APIClient, user: User, rows: Rows) -> None:
    """Given a waiting job, it is cancelled with its step; a second time it has ended already."""
    job = JobFactory.create(owner=user)
    StepFactory.create(job=job)
    response = client.post(f"/api/v1/jobs/{job.pk}/cancel/")
    assert response.status_code == 200
    assert (response.json()["state"], response.json()["queue"]) == ("cancelled", None)
    assert response.json()["steps"][0]["state"] == "cancelled"
    before = rows()
    again = client.post(f"/api/v1/jobs/{job.pk}/cancel/")
    assert (again.status_code, again.json()["code"]) == (409, "already_ended")
    assert rows() == before


def test_a_failed_job_is_run_again(client: APIClient, user: User) -> None:
    """Given a failed job, its failed step is ready again, in a new epoch."""
    job = failed_job(owner=user)
    response = client.post(f"/api/v1/jobs/{job.pk}/retry/")
    assert response.status_code == 200
    assert (response.json()["state"], response.json()["error"]) == ("queued", None)
    assert response.json()["steps"][0]["state"] == "queued"
    job.refresh_from_db()
    assert job.epoch == 2


@pytest.mark.parametrize("state", [state for state in JobState if state != JobState.FAILED])
def test_only_a_failed_job_is_run_again(
    client: APIClient, user: User, state: JobState, rows: Rows
) -> None:
    """Given a job in any other state, the answer is 409, and it stays as it is."""
    job = JobFactory.create(owner=user, state=state)
    before = rows()
    assert client.post(f"/api/v1/jobs/{job.pk}/retry/").status_code == 409
    assert Job.objects.get().state == state
    assert Job.objects.get().epoch == 1
    assert rows() == before
