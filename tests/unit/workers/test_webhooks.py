"""A delivery: signed, noted, tried again, given up, or stopped for good by a 410."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from celery.exceptions import Ignore
from django.db import transaction
from django.utils import timezone
from openai import OpenAI
from standardwebhooks.webhooks import Webhook

from pipelines.accounts.models import User
from pipelines.core.errors import TurnpikeError
from pipelines.core.steps import Step
from pipelines.jobs.models import JobStep
from pipelines.jobs.services import job_end
from pipelines.jobs.states import JobState
from pipelines.webhooks.models import Attempt, Delivery, Endpoint
from pipelines.webhooks.pipeline import DELIVER, TRY
from pipelines.webhooks.services import (
    endpoint_create,
    endpoint_delete,
    endpoint_gone,
    endpoint_ping,
    endpoint_rotate,
)
from tests.factories import JobFactory, UserFactory
from workers import configured, webhooks
from workers.base import execute
from workers.engines.courier import Answer, ForbiddenAddress, Parcel, Unreachable


@dataclass
class FakeCourier:
    """Keeps what it was given, and answers what it is told to; 200 after that."""

    answers: list[int | Answer | TurnpikeError] = field(default_factory=list)
    parcels: list[Parcel] = field(default_factory=list)

    def deliver(self, parcel: Parcel) -> Answer:
        """Deliver, or raise the next error."""
        self.parcels.append(parcel)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, TurnpikeError):
            raise answer
        if isinstance(answer, int):
            return Answer(status=answer, body="noted", seconds=0.25, retry_after=None)
        return answer


@pytest.fixture
def courier(monkeypatch: pytest.MonkeyPatch) -> FakeCourier:
    fake = FakeCourier()
    monkeypatch.setattr(configured, "courier", lambda: fake)
    return fake


@pytest.fixture
def there(db: None) -> Endpoint:
    owner = UserFactory.create()
    return endpoint_create(owner=owner, url="https://example.com/h", events=["job.completed"])


def end_of_a_job(owner: User) -> Delivery:
    """Let a job end of which the owner wants to hear."""
    job = JobFactory.create(owner=owner, state=JobState.IN_PROGRESS)
    with transaction.atomic():
        job_end(job, JobState.COMPLETED)
    return Delivery.objects.latest("id")


@pytest.fixture
def delivery(there: Endpoint) -> Delivery:
    return end_of_a_job(there.owner)


def deliver(delivery: Delivery, step: Step = DELIVER) -> None:
    """Let a worker have its try, however long it would have had to wait for it."""
    assert delivery.job is not None
    JobStep.objects.filter(job=delivery.job).exclude(ready_at=None).update(ready_at=timezone.now())
    with suppress(TurnpikeError):
        execute(step, webhooks.deliver, delivery.job.pk, delivery.job.epoch, "w", "t")
    delivery.refresh_from_db()
    delivery.job.refresh_from_db()


def test_what_is_taken_is_delivered(courier: FakeCourier, delivery: Delivery) -> None:
    deliver(delivery)

    assert delivery.job is not None
    assert (delivery.state, delivery.job.state) == ("delivered", "completed")
    assert delivery.delivered_at is not None
    [parcel] = courier.parcels
    assert (parcel.url, parcel.body.decode()) == ("https://example.com/h", delivery.body)
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.answer, attempt.seconds) == (200, "noted", 0.25)


def test_both_libraries_know_the_signature(
    courier: FakeCourier, there: Endpoint, delivery: Delivery
) -> None:
    deliver(delivery)

    [parcel] = courier.parcels
    headers, text = dict(parcel.headers), parcel.body.decode()
    assert headers["webhook-id"] == delivery.event_id == json.loads(text)["id"]
    assert Webhook(there.secret).verify(text, headers)["type"] == "job.completed"
    client = OpenAI(api_key="none", webhook_secret=there.secret)
    client.webhooks.verify_signature(text, headers)


def test_a_rotated_secret_signs_beside_the_new_one(
    courier: FakeCourier, there: Endpoint, delivery: Delivery
) -> None:
    old = there.secret
    endpoint_rotate(endpoint=there)

    deliver(delivery)

    [parcel] = courier.parcels
    for secret in (old, there.secret):
        Webhook(secret).verify(parcel.body, dict(parcel.headers))


@pytest.mark.parametrize("status", [199, 301, 404, 429, 500])
def test_another_answer_is_tried_again_with_the_same_id(
    courier: FakeCourier, delivery: Delivery, status: int
) -> None:
    courier.answers = [status]

    deliver(delivery)
    assert delivery.job is not None
    assert (delivery.state, delivery.job.state) == ("pending", "in_progress")
    deliver(delivery)

    assert delivery.state == "delivered"
    first, second = courier.parcels
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert list(delivery.attempts.values_list("status", flat=True)) == [status, 200]


def test_the_endpoint_says_when(courier: FakeCourier, delivery: Delivery) -> None:
    courier.answers = [Answer(status=503, body="", seconds=0.1, retry_after=3_600.0)]

    deliver(delivery)

    step = JobStep.objects.get(job=delivery.job)
    assert step.ready_at is not None
    assert step.ready_at - timezone.now() > timedelta(minutes=59)


def test_what_is_not_answered_is_noted_and_tried_again(
    courier: FakeCourier, delivery: Delivery
) -> None:
    courier.answers = [Unreachable("The connection was refused.")]

    deliver(delivery)

    assert delivery.state == "pending"
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.error_code) == (None, "endpoint_unreachable")
    assert attempt.error_detail == "The connection was refused."


def test_a_forbidden_address_is_given_up(courier: FakeCourier, delivery: Delivery) -> None:
    courier.answers = [ForbiddenAddress()]

    deliver(delivery)

    assert delivery.job is not None
    assert (delivery.state, delivery.job.error_code) == ("failed", "forbidden_address")


def test_gone_stops_the_endpoint(courier: FakeCourier, there: Endpoint, delivery: Delivery) -> None:
    other = end_of_a_job(there.owner)
    courier.answers = [410]

    deliver(delivery)
    deliver(other)

    there.refresh_from_db()
    assert (there.disabled_at is not None, there.disabled_reason) == (
        True,
        "It answered 410 Gone.",
    )
    assert [row.job.error_code for row in (delivery, other) if row.job] == [
        "endpoint_gone",
        "endpoint_disabled",
    ]
    assert len(courier.parcels) == 1


def test_an_endpoint_that_was_deleted_gets_nothing(
    courier: FakeCourier, there: Endpoint, delivery: Delivery
) -> None:
    job = delivery.job
    assert job is not None
    endpoint_delete(endpoint=there)
    with pytest.raises(Ignore):
        execute(DELIVER, webhooks.deliver, job.pk, 1, "w", "t")
    assert courier.parcels == []


def test_a_trial_is_one_try(courier: FakeCourier, there: Endpoint) -> None:
    ping = endpoint_ping(endpoint=there)
    courier.answers = [500]

    deliver(ping, TRY)

    assert ping.state == "failed"
    assert json.loads(courier.parcels[0].body)["data"] == {"endpoint_id": str(there.pk)}


def test_tries_go_on_for_days_and_end(courier: FakeCourier, delivery: Delivery) -> None:
    courier.answers = [500] * 30

    for _ in range(DELIVER.retry.attempts):
        assert delivery.state == "pending"
        deliver(delivery)

    assert delivery.state == "failed"
    assert len(courier.parcels) == DELIVER.retry.attempts
    # Half of each pause at least.
    pauses = [
        min(DELIVER.retry.ceiling, DELIVER.retry.base * 2**n)
        for n in range(DELIVER.retry.attempts - 1)
    ]
    assert timedelta(days=2) < timedelta(seconds=sum(pauses)) < timedelta(days=5)


def test_a_disabled_endpoint_is_left_alone(
    courier: FakeCourier, there: Endpoint, delivery: Delivery
) -> None:
    endpoint_gone(endpoint=there)
    deliver(delivery)
    assert (courier.parcels, delivery.state) == ([], "failed")
