"""The scheduler's routes, for staff: what runs when, starting it by hand, and the numbers."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from celerybeat.sync import sync
from pipelines.accounts.models import User
from pipelines.api_keys.models import Scope
from pipelines.api_keys.services import api_key_create
from pipelines.jobs.models import Job
from pipelines.jobs.nodes import node_seen
from pipelines.scheduler.pipeline import TASKS
from pipelines.scheduler.services import run_start, statistics_record
from tests.factories import JobFactory, StaffFactory
from tests.unit.api.conftest import Rows

STATUS = "/api/admin/scheduler/status"
TRIGGER = "/api/admin/scheduler/trigger"
STATISTICS = "/api/admin/scheduler/statistics"


@pytest.fixture
def staff(db: None) -> APIClient:
    client = APIClient()
    client.force_authenticate(StaffFactory.create())
    return client


def test_the_status_shows_beat_and_each_entry(staff: APIClient) -> None:
    sync()
    assert staff.get(STATUS).json()["running"] is False
    node_seen(name="beat@here:1", role="beat")
    job = run_start("scheduler.housekeeping", "2026-11-21T02:00:00+00:00")
    run_start("scheduler.housekeeping")  # by hand: no run of the entry's

    body = staff.get(f"{STATUS}/").json()

    assert (body["running"], [beat["name"] for beat in body["beats"]]) == (True, ["beat@here:1"])
    entries = {entry["name"]: entry for entry in body["entries"]}
    daily, weekly = entries["Daily housekeeping"], entries["Weekly cleanup"]
    assert (daily["schedule"], daily["kind"]) == ("0 2 * * * (UTC)", "scheduler.housekeeping")
    assert daily["last_job"] == {"id": str(job.pk), "kind": job.kind, "state": "queued"}
    assert (daily["last_run"], weekly["last_job"]) == (None, None)
    assert entries["Statistics"]["schedule"] == "0 */6 * * * (UTC)"


def test_the_next_run_is_the_next_moment_of_the_crontab(staff: APIClient) -> None:
    sync()
    entries = {entry["name"]: entry for entry in staff.get(STATUS).json()["entries"]}
    now = timezone.now()
    due = now.replace(hour=2, minute=0, second=0, microsecond=0)
    due += timedelta(days=1) if due <= now else timedelta()
    assert entries["Daily housekeeping"]["next_run"] == f"{due:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_started_as_a_job_that_staff_can_see(staff: APIClient, task: str) -> None:
    started = staff.post(TRIGGER, {"task": task}, format="json")
    assert started.status_code == 202
    body = started.json()
    assert (body["task"], body["job"]["kind"]) == (task, TASKS[task].kind)
    assert staff.get(started["Location"]).json()["id"] == body["job"]["id"]


def test_without_a_name_everything_is_run(staff: APIClient) -> None:
    assert staff.post(TRIGGER, {}, format="json").json()["task"] == "all"
    assert Job.objects.get().kind == "scheduler.housekeeping"


@pytest.mark.parametrize("task", ["nothing", "", 7, None, ["stats"]])
def test_an_unknown_task_starts_nothing(staff: APIClient, rows: Rows, task: object) -> None:
    before = rows()
    refused = staff.post(TRIGGER, {"task": task}, format="json")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "task")
    assert rows() == before


def test_the_same_again_starts_one_run(staff: APIClient) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = [staff.post(TRIGGER, {}, format="json", headers=headers).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert Job.objects.count() == 1


def test_a_client_may_wait_for_the_run(staff: APIClient) -> None:
    headers = {"Prefer": "wait=5"}
    started: Any = staff.post(TRIGGER, {"task": "stats"}, format="json", headers=headers)
    job = Job.objects.get()
    assert (started.parked.job_id, started.parked.seconds) == (job.pk, 5)
    Job.objects.update(state="completed", output={"counts": {"users": 1}})
    answer = started.parked.look(is_over=True)
    assert answer.status_code == 200
    body = json.loads(answer.content)
    assert (body["task"], body["job"]["result"]) == ("stats", {"counts": {"users": 1}})


@pytest.mark.django_db
def test_no_key_may_come_in_not_even_of_staff() -> None:
    _, text = api_key_create(owner=StaffFactory.create(), name="ci", scopes=list(Scope))
    keyed = APIClient()
    keyed.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    answers = [keyed.get(STATUS), keyed.post(TRIGGER, {}, format="json"), keyed.get(STATISTICS)]
    assert [answer.status_code for answer in answers] == [403] * 3
    assert {answer.json()["code"] for answer in answers} == {"wrong_scope"}
    assert Job.objects.count() == 0


@pytest.mark.django_db
def test_a_session_of_staff_needs_its_csrf_token() -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(StaffFactory.create())
    assert browser.get(STATUS).status_code == 200
    assert browser.post(TRIGGER, {}, format="json").status_code == 403
    assert Job.objects.count() == 0
    browser.get("/scheduler-admin")
    token = browser.cookies["csrftoken"].value
    shown = {"X-CSRFToken": token}
    assert browser.post(TRIGGER, {}, format="json", headers=shown).status_code == 202


def test_the_numbers(staff: APIClient) -> None:
    assert staff.get(STATISTICS).json()["recorded"] is None
    statistics_record(counts={"users": 7})
    body = staff.get(STATISTICS).json()
    assert body["current"]["users"] == 1
    assert body["recorded"]["counts"] == {"users": 7}


def test_a_job_of_the_house_is_seen_by_staff_alone(
    staff: APIClient, client: APIClient, user: User
) -> None:
    path = f"/api/v1/jobs/{run_start('scheduler.statistics').pk}/"
    assert (staff.get(path).status_code, client.get(path).status_code) == (200, 404)
    events = f"{path}events/"
    assert (staff.get(events).status_code, client.get(events).status_code) == (200, 404)
    own = f"/api/v1/jobs/{JobFactory.create(owner=user).pk}/"
    assert (staff.get(own).status_code, client.get(own).status_code) == (404, 200)
    assert staff.get("/api/v1/jobs/").json()["data"] == []


def test_whoever_only_looks_cannot_stop_a_job_of_the_house(staff: APIClient) -> None:
    path = f"/api/v1/jobs/{run_start('scheduler.statistics').pk}"
    assert staff.post(f"{path}/cancel/").status_code == 404
    Job.objects.update(state="failed")
    assert staff.post(f"{path}/retry/").status_code == 404
    assert Job.objects.get().state == "failed"
