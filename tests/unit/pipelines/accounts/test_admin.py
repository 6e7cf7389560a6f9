"""Staff add, change and delete accounts."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.db.models import ProtectedError
from django.test import Client

from pipelines.accounts.models import User
from pipelines.chat.services import turn_accept
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel
from tests.factories import PASSWORD, StaffFactory, UserFactory, failed_job

pytestmark = pytest.mark.django_db
LIST = "/admin/accounts/user/"


@pytest.fixture
def staff() -> Client:
    """Somebody who may do everything, signed in."""
    client = Client()
    client.force_login(StaffFactory.create())
    return client


def test_an_account_is_added(staff: Client) -> None:
    """Given a name and a password, the account can sign in."""
    data = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD}
    response = staff.post(f"{LIST}add/", {**data, "usable_password": "true"})
    assert response.status_code == 302
    assert User.objects.get(username="ada").check_password(PASSWORD)


def test_deleting_an_account_takes_its_jobs_with_it(staff: Client) -> None:
    """Given an account with a job, which nobody deletes by itself, both go."""
    user = UserFactory.create()
    failed_job(owner=user)
    assert staff.post(f"{LIST}{user.pk}/delete/", {"post": "yes"}).status_code == 302
    assert (User.objects.filter(pk=user.pk).count(), Job.objects.count()) == (0, 0)


def test_an_account_with_a_job_under_way_stays(staff: Client) -> None:
    """Given a turn that a worker may be at, nothing is deleted, and the page names the turn."""
    user = UserFactory.create()
    job = turn_accept(owner=user, message="x").job
    page = staff.post(f"{LIST}{user.pk}/delete/", {"post": "yes"})
    assert (page.status_code, f"/admin/jobs/job/{job.pk}/" in page.text) == (200, True)
    assert Job.objects.get() == job
    with pytest.raises(ProtectedError):
        user.delete()
    job_cancel(job_id=job.pk)
    assert staff.post(f"{LIST}{user.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=user.pk).exists()


def test_whoever_may_not_delete_does_not(staff: Client) -> None:
    """Given staff with the right to change alone, the account stays."""
    viewer, user = UserFactory.create(is_staff=True), UserFactory.create()
    viewer.user_permissions.add(Permission.objects.get(codename="change_user"))
    client = Client()
    client.force_login(viewer)
    assert client.post(f"{LIST}{user.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=user.pk).exists()
