"""Every page of the admin opens, for every model, and shows no secret."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from django_celery_results.models import GroupResult, TaskResult
from unfold.admin import ModelAdmin  # type: ignore[import-untyped]

from pipelines.accounts.models import User
from pipelines.api_keys.models import ApiKey
from pipelines.batches.services import batch_accept
from pipelines.credits.services import credits_grant
from pipelines.idempotency.models import KeptAnswer
from pipelines.jobs.models import Node
from pipelines.scheduler.models import DeclaredEntry, Statistics
from pipelines.webhooks.models import Delivery, Endpoint
from tests.factories import (
    PASSWORD,
    ArtifactFactory,
    DocumentFactory,
    EmailFactory,
    MessageFactory,
    ReportFactory,
    StaffFactory,
    StepFactory,
    failed_job,
)

pytestmark = pytest.mark.django_db

# Nothing of these may be added, changed or deleted by hand.
WATCHED = {
    "axes.AccessAttempt",
    "api_keys.ApiKey",
    "jobs.Job",
    "jobs.Artifact",
    "jobs.Node",
    "credits.Balance",
    "idempotency.KeptAnswer",
    "mail.Email",
    "reports.Report",
    "scheduler.DeclaredEntry",
    "scheduler.Statistics",
    "batches.Batch",
    "webhooks.Delivery",
    "webhooks.Endpoint",
    "django_celery_results.TaskResult",
    "django_celery_results.GroupResult",
}
# Longer than what a random token of the page could hold by chance.
SECRET = "hush-nobody-may-read-this"
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def staff() -> Client:
    """Somebody who may do everything, signed in."""
    client = Client()
    client.force_login(StaffFactory.create())
    return client


@pytest.fixture
def filled() -> None:
    """At least one row of every model."""
    now = timezone.now()
    AccessAttempt.objects.create(username="ada", ip_address="::", failures_since_start=10)
    job = failed_job(owner=StaffFactory.create())
    TaskResult.objects.create(task_id=str(job.pk), status="FAILURE", traceback="Traceback …")
    GroupResult.objects.create(group_id="g")
    StepFactory.create()
    ArtifactFactory.create(job=job)
    MessageFactory.create()
    credits_grant(owner=StaffFactory.create(), amount=5)
    DocumentFactory.create()
    DocumentFactory.create(collection__owner=None)
    EmailFactory.create(text=f"https://here/?token={SECRET}")
    ReportFactory.create()
    ReportFactory.create(job=None)
    ApiKey.objects.create(
        owner=StaffFactory.create(), name="ci", prefix="tpk_", digest=SECRET, scopes=["read"]
    )
    KeptAnswer.objects.create(key="k", fingerprint="f", status=202, body={"text": SECRET})
    batch_accept(owner=StaffFactory.create(), turns=[{"message": "Who pays?"}])
    endpoint = Endpoint.objects.create(
        owner=StaffFactory.create(), url="https://here/", secret=SECRET
    )
    Delivery.objects.create(endpoint=endpoint, job=job, type="endpoint.ping", body="{}")
    Node.objects.create(name="relay@a", role="relay", pid=1, seen_at=now)
    Statistics.objects.create(counts={"users": 1})
    DeclaredEntry.objects.create(name="Daily", declared={"kind": "scheduler.housekeeping"})
    cron = CrontabSchedule.objects.create(hour="2")
    PeriodicTask.objects.create(
        name="Daily", crontab=cron, task="scheduler.start", args='["scheduler.housekeeping"]'
    )
    IntervalSchedule.objects.create(every=1, period="hours")
    SolarSchedule.objects.create(event="sunset", latitude=1, longitude=1)
    ClockedSchedule.objects.create(clocked_time=datetime(2030, 1, 1, tzinfo=UTC))


def _label(model: type[Model]) -> str:
    return model._meta.label


def _place(model: type[Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_the_front_page_lists_every_noun(staff: Client) -> None:
    """Given staff, the first page links to every list."""
    page = staff.get("/admin/").content.decode()
    assert [model for model in MODELS if _place(model, "changelist") not in page] == []


def test_signing_in_takes_either_name(staff: Client) -> None:
    """Given the address and the password, the form of the admin lets staff in."""
    user = StaffFactory.create()
    response = Client().post(
        "/admin/login/?next=/admin/", {"username": user.email, "password": PASSWORD}
    )
    assert (response.status_code, response["Location"]) == (302, "/admin/")


def test_all_pages_are_of_one_cast() -> None:
    """Given every registered model, its pages are unfold's; lists of tokens are not there."""
    pages = admin.site._registry.values()
    assert [page for page in pages if not isinstance(page, ModelAdmin)] == []
    assert {_label(model) for model in MODELS} >= WATCHED
    assert not {"OutstandingToken", "BlacklistedToken"} & {model.__name__ for model in MODELS}


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("model", MODELS, ids=_label)
def test_every_list_and_page_opens(staff: Client, model: type[Model]) -> None:
    """Given rows, each list, each search, each row's page and each form open."""
    search = f"{_place(model, 'changelist')}?q=x"
    places = [_place(model, "changelist"), *([search] if _can_search(model) else [])]
    if _label(model) != "auth.Group":
        assert model._default_manager.exists()
    places += [_place(model, "change", row.pk) for row in model._default_manager.all()]
    if _label(model) not in WATCHED | {"chat.Conversation", "knowledge.Document"}:
        places.append(_place(model, "add"))
    answers = {place: staff.get(place) for place in places}
    assert {place: each.status_code for place, each in answers.items()} == dict.fromkeys(
        places, 200
    )
    assert [place for place, each in answers.items() if SECRET in each.content.decode()] == []


def _can_search(model: type[Model]) -> bool:
    return bool(admin.site._registry[model].search_fields)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("label", sorted(WATCHED))
def test_what_turnpike_writes_stays_as_written(staff: Client, label: str) -> None:
    """Given rows that only Turnpike writes, no form adds, changes or deletes one."""
    (model,) = [model for model in MODELS if _label(model) == label]
    row = model._default_manager.all()[0]
    count = model._default_manager.count()
    answers = [
        staff.post(_place(model, "add")),
        staff.post(_place(model, "change", row.pk)),
        staff.post(_place(model, "delete", row.pk), {"post": "yes"}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert model._default_manager.count() == count


def test_no_page_shows_a_password_or_its_hash(staff: Client) -> None:
    """Given an account, its page shows neither the hash nor what stands in it."""
    user = StaffFactory.create()
    page = staff.get(_place(User, "change", user.pk)).content.decode()
    assert user.password not in page
    assert user.password.rpartition("$")[2] not in page
