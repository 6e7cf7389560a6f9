"""Staff start a run now, and edit the schedule without importing the workers."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from pipelines.jobs.models import Job
from pipelines.scheduler.models import DeclaredEntry
from pipelines.scheduler.pipeline import TASKS as RUNS
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db
ENTRIES = "/admin/scheduler/declaredentry/"
TASKS = "/admin/django_celery_beat/periodictask/"


@pytest.fixture
def staff() -> Client:
    """Somebody who may do everything, signed in."""
    client = Client()
    client.force_login(StaffFactory.create())
    return client


@pytest.fixture
def entry() -> PeriodicTask:
    """A daily run of housekeeping, as beat reads it."""
    cron = CrontabSchedule.objects.create(hour="2")
    return PeriodicTask.objects.create(
        name="Daily", crontab=cron, task="scheduler.start", args='["scheduler.housekeeping"]'
    )


def _run(client: Client, place: str, pk: object) -> str:
    data = {"action": "run_now", "_selected_action": [str(pk)]}
    return client.post(place, data, follow=True).content.decode()


@pytest.mark.parametrize("kind", [pipeline.kind for pipeline in RUNS.values()])
def test_a_declared_entry_is_started_now(staff: Client, kind: str) -> None:
    """Given an entry, each click starts one more run of the house."""
    DeclaredEntry.objects.create(name="One", declared={"kind": kind})
    for count in (1, 2):
        page = _run(staff, ENTRIES, "One")
        assert f"Started {kind} as job {Job.objects.latest('id').pk}." in page
        assert Job.objects.filter(kind=kind, owner=None).count() == count


def test_an_entry_of_the_schedule_is_started_now(staff: Client, entry: PeriodicTask) -> None:
    """Given an entry of beat's, it is started as a job, not sent past the database."""
    assert "Started scheduler.housekeeping as job" in _run(staff, TASKS, entry.pk)
    assert Job.objects.get().kind == "scheduler.housekeeping"


@pytest.mark.parametrize("args", ["[]", '["chat.turn"]', "7", "{}"])
def test_anything_else_is_not_started(staff: Client, entry: PeriodicTask, args: str) -> None:
    """Given an entry that starts nothing known, staff are told, and no job is written."""
    PeriodicTask.objects.update(args=args)
    assert "is no run of the scheduler" in _run(staff, TASKS, entry.pk)
    assert Job.objects.count() == 0


def _form(entry: PeriodicTask, **changes: Any) -> dict[str, Any]:
    fields = {"name": entry.name, "task": entry.task, "args": entry.args, "kwargs": "{}"}
    return {**fields, "crontab": entry.crontab_id, "enabled": "on", **changes}


def test_the_schedule_is_edited(staff: Client, entry: PeriodicTask) -> None:
    """Given another run for an entry, it is kept."""
    place = f"{TASKS}{entry.pk}/change/"
    page = staff.get(place).content.decode()
    assert 'name="regtask"' not in page
    response = staff.post(place, _form(entry, args='["scheduler.cleanup"]'))
    assert response.status_code == 302
    entry.refresh_from_db()
    assert (entry.args, entry.task) == ('["scheduler.cleanup"]', "scheduler.start")


@pytest.mark.parametrize(
    "changes",
    [{"args": '["chat.turn"]'}, {"args": "[]"}, {"args": "nonsense"}, {"task": "os.system"}],
)
def test_what_cannot_run_is_refused(
    staff: Client, entry: PeriodicTask, changes: dict[str, str]
) -> None:
    """Given arguments or a task that start nothing, the form says so and keeps the old ones."""
    assert staff.post(f"{TASKS}{entry.pk}/change/", _form(entry, **changes)).status_code == 200
    entry.refresh_from_db()
    assert (entry.args, entry.task) == ('["scheduler.housekeeping"]', "scheduler.start")
