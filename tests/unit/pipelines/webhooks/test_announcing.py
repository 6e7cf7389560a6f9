"""Whoever asked to be told how jobs end is told, in the transaction that ends them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import transaction

from pipelines.accounts.models import User
from pipelines.core.errors import TransientError
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel, job_end
from pipelines.jobs.states import JobState
from pipelines.webhooks.models import Delivery, Endpoint
from pipelines.webhooks.services import endpoint_create, endpoint_ping
from tests.factories import JobFactory, StepFactory, UserFactory

URL = "https://hooks.example.com/turnpike"


@pytest.fixture
def owner(db: None) -> User:
    return UserFactory.create()


def endpoint(owner: User, **given: Any) -> Endpoint:
    return endpoint_create(owner=owner, **{"url": URL, "events": ["job.completed"], **given})


def running(owner: User | None, **fields: Any) -> Job:
    job = JobFactory.create(owner=owner, state=JobState.IN_PROGRESS, **fields)
    StepFactory.create(job=job)
    return job


def end(job: Job, state: JobState = JobState.COMPLETED) -> None:
    error = TransientError("It was slow.") if state == JobState.FAILED else None
    with transaction.atomic():
        job_end(job, state, output={"text": "a secret"}, error=error)


def test_an_end_is_told_as_a_job_of_its_own(owner: User) -> None:
    there = endpoint(owner)
    job = running(owner, metadata={"mine": 1})

    end(job)

    delivery = Delivery.objects.get()
    assert (delivery.endpoint, delivery.type, delivery.state) == (there, "job.completed", "pending")
    assert delivery.job is not None
    assert (delivery.job.kind, delivery.job.owner, delivery.job.parent) == (
        "webhooks.delivery",
        owner,
        job,
    )
    body = json.loads(delivery.body)
    assert (body["id"], body["object"], body["type"]) == (
        delivery.event_id,
        "event",
        "job.completed",
    )
    assert body["data"] == {
        "id": str(job.pk),
        "object": "job",
        "kind": "knowledge.search",
        "state": "completed",
        "error": None,
        "metadata": {"mine": 1},
    }
    assert "a secret" not in delivery.body


def test_a_failure_says_why(owner: User) -> None:
    endpoint(owner, events=["job.failed"])
    end(running(owner), JobState.FAILED)

    body = json.loads(Delivery.objects.get().body)

    assert body["data"]["error"] == {"code": "transient_error", "detail": "It was slow."}


@pytest.mark.parametrize(
    "given",
    [
        {"events": ["job.failed", "job.cancelled"]},
        {"kinds": ["chat.turn"]},
        {"url": "https://elsewhere.example.com/", "events": ["job.failed"]},
    ],
)
def test_what_nobody_asked_for_is_not_told(owner: User, given: dict[str, Any]) -> None:
    endpoint(owner, **given)
    end(running(owner))
    assert not Delivery.objects.exists()


def test_each_endpoint_that_wants_it_is_told(owner: User) -> None:
    every, searches = endpoint(owner), endpoint(owner, kinds=["knowledge.search", "chat.turn"])
    end(running(owner))
    assert set(Delivery.objects.values_list("endpoint", flat=True)) == {every.pk, searches.pk}


def test_only_the_owner_is_told(owner: User) -> None:
    endpoint(UserFactory.create())
    end(running(owner))
    end(running(None))
    assert not Delivery.objects.exists()


def test_a_disabled_endpoint_is_told_nothing(owner: User) -> None:
    there = endpoint(owner)
    Endpoint.objects.filter(pk=there.pk).update(disabled_at=there.created_at)
    end(running(owner))
    assert not Delivery.objects.exists()


def test_nobody_is_told_how_the_telling_ended(owner: User) -> None:
    there = endpoint(owner, events=["job.cancelled"])
    ping = endpoint_ping(endpoint=there)
    assert ping.job is not None

    job_cancel(job_id=ping.job.pk)

    assert Delivery.objects.count() == 1


def test_what_was_undone_is_not_told(owner: User) -> None:
    endpoint(owner)
    job = running(owner)
    with transaction.atomic():
        job_end(job, JobState.COMPLETED)
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()


def test_a_turn_is_told_however_many_deliveries_of_its_owner_wait(owner: User) -> None:
    """Given an endpoint that is down, what waits for it takes no room of the owner's share."""
    endpoint(owner)
    for _ in range(20):
        end(running(owner))
    jobs = Job.objects.filter(kind="webhooks.delivery")
    assert set(jobs.values_list("waits_for", flat=True)) == {""}
