"""Staff see a job's timeline, cancel jobs, and replay the dead letters."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django_celery_results.models import TaskResult

from pipelines.jobs.models import Job
from tests.factories import StaffFactory, StepFactory, UserFactory, failed_job

pytestmark = pytest.mark.django_db
LIST = "/admin/jobs/job/"


@pytest.fixture
def staff() -> Client:
    """Somebody who may do everything, signed in."""
    client = Client()
    client.force_login(StaffFactory.create())
    return client


def _act(client: Client, action: str, *jobs: Job) -> str:
    data = {"action": action, "_selected_action": [str(job.pk) for job in jobs]}
    return client.post(LIST, data, follow=True).content.decode()


def test_the_page_of_a_job_tells_its_story(staff: Client) -> None:
    """Given a failed job, its page shows steps, events, the error, and Celery's record."""
    job = failed_job(owner=UserFactory.create())
    record = TaskResult.objects.create(task_id=str(job.pk), status="FAILURE")
    page = staff.get(f"{LIST}{job.pk}/change/").content.decode()
    assert "provider_refused: The key was refused." in page
    assert "job.failed" in page
    assert job.events.get().created_at.isoformat(" ", "milliseconds")[:-6] in page
    assert f'href="/admin/django_celery_results/taskresult/{record.pk}/change/"' in page


def test_the_dead_letters_are_one_filter_away(staff: Client) -> None:
    """Given a failed and a waiting job, each filter finds its own."""
    dead, waiting = failed_job(), StepFactory.create().job

    def found(query: str) -> set[Job]:
        page = staff.get(f"{LIST}?{query}").content.decode()
        return {job for job in (dead, waiting) if f"{LIST}{job.pk}/change/" in page}

    assert found("state__exact=failed") == {dead}
    assert found("kind=knowledge.search") == {dead, waiting}
    assert found("steps__queue=embed") == {dead, waiting}
    assert found("steps__queue=llm") == set()


def test_staff_cancel_what_has_not_ended(staff: Client) -> None:
    """Given a waiting and a failed job, only the waiting one is cancelled."""
    waiting, dead = StepFactory.create().job, failed_job()
    assert "Cancelled: 1." in _act(staff, "cancel", waiting, dead)
    assert {job.pk: job.state for job in Job.objects.all()} == {
        waiting.pk: "cancelled",
        dead.pk: "failed",
    }


def test_staff_replay_what_failed(staff: Client) -> None:
    """Given a failed and a waiting job, only the failed one runs again, and the page says why."""
    waiting, dead = StepFactory.create().job, failed_job()
    page = _act(staff, "replay", waiting, dead)
    assert "Replayed: 1." in page
    assert "A job that is queued cannot become queued." in page
    assert {job.pk: (job.state, job.epoch) for job in Job.objects.all()} == {
        waiting.pk: ("queued", 1),
        dead.pk: ("queued", 2),
    }


def test_whoever_only_looks_cannot_act() -> None:
    """Given staff with the right to view alone, neither action is offered or done."""
    viewer = UserFactory.create(is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_job"))
    client = Client()
    client.force_login(viewer)
    dead = failed_job()
    page = _act(client, "replay", dead)
    assert f"{LIST}{dead.pk}/change/" in page
    assert 'value="replay"' not in page
    dead.refresh_from_db()
    assert dead.state == "failed"
