"""Batches and deliveries that many connections work on at once."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.conf import settings
from django.db import transaction

from pipelines.accounts.models import User
from pipelines.batches.models import Batch, BatchTurn
from pipelines.batches.selectors import counts_of
from pipelines.batches.services import batch_accept, batch_cancel, turns_accept_some
from pipelines.chat.models import Message
from pipelines.chat.services import conversation_create
from pipelines.core.errors import Conflict, PermanentError
from pipelines.jobs.locks import lock_job
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_end, job_replay
from pipelines.jobs.states import ACTIVE, JobState
from pipelines.webhooks.models import Delivery
from pipelines.webhooks.services import delivery_replay, endpoint_create, endpoint_ping
from tests.integration.rivals import at_once

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs("postgres"),
    pytest.mark.skipif(
        "sqlite" in settings.DATABASES["default"]["ENGINE"], reason="runs in the PostgreSQL pass"
    ),
]


@pytest.fixture
def owner() -> User:
    return User.objects.create(username="ada", email="ada@example.com")


def end(job_id: object, state: JobState = JobState.COMPLETED) -> None:
    """End a job as its worker does, unless it has ended."""
    with transaction.atomic():
        job = lock_job(job_id)  # type: ignore[arg-type]
        if job.state not in ACTIVE:
            return
        job.state = JobState.IN_PROGRESS
        job_end(job, state, error=PermanentError() if state == JobState.FAILED else None)


def test_each_turn_is_accepted_once_whoever_accepts(owner: User) -> None:
    batch = batch_accept(owner=owner, turns=[{"message": f"{n}"} for n in range(30)])

    at_once(lambda _: turns_accept_some(batch.pk), 8)

    assert Job.objects.filter(kind="chat.turn").count() == 30
    assert Message.objects.count() == 30


def test_of_two_last_turns_one_ends_the_batch(owner: User) -> None:
    endpoint_create(owner=owner, url="https://example.com/", events=["batch.completed"])
    for _ in range(5):
        batch = batch_accept(owner=owner, turns=[{"message": f"{n}"} for n in range(8)])
        turns_accept_some(batch.pk)
        jobs = list(BatchTurn.objects.filter(batch=batch).values_list("job", flat=True))

        at_once(lambda n: end(jobs[n]), 8)  # noqa: B023 - done before the next

        batch.refresh_from_db()
        assert (batch.state, batch.ended) == ("completed", 8)
    assert Delivery.objects.count() == 5


def test_a_cancel_leaves_nothing_under_way_whoever_accepts_and_works_meanwhile(owner: User) -> None:
    """Given turns of one conversation, so that accepting one asks for the lock of another."""
    for _ in range(5):
        place = str(conversation_create(owner=owner).pk)
        turns = [{"message": f"{n}", "conversation_id": place} for n in range(20)]
        batch = batch_accept(owner=owner, turns=turns)

        def work(number: int, batch: Batch = batch) -> None:
            if number == 7:
                batch_cancel(batch=batch)
            elif number % 2:
                turns_accept_some(batch.pk)
            else:
                for job_id in Job.objects.filter(kind="chat.turn", state__in=ACTIVE)[:5]:
                    end(job_id.pk)

        at_once(work, 8)

        counts = counts_of(batch)
        batch.refresh_from_db()
        assert batch.state == "cancelled"
        assert counts["completed"] + counts["cancelled"] == 20
        assert not Job.objects.filter(batch_turn__batch=batch, state__in=ACTIVE).exists()


def test_a_delivery_is_sent_again_once_whoever_asks_for_it(owner: User) -> None:
    endpoint = endpoint_create(owner=owner, url="https://example.com/", events=["job.failed"])
    for _ in range(5):
        ping = endpoint_ping(endpoint=endpoint)
        assert ping.job is not None
        job_id = ping.job.pk
        end(job_id, JobState.FAILED)
        ping.job.steps.update(state="failed")
        ping = Delivery.objects.select_related("endpoint").get(pk=ping.pk)

        def ask(number: int, ping: Delivery = ping, job_id: object = job_id) -> None:
            with suppress(Conflict):
                if number % 2:
                    delivery_replay(delivery=ping)
                else:
                    job_replay(job_id=job_id)  # type: ignore[arg-type]

        at_once(ask, 8)

        ping.refresh_from_db()
        assert (ping.state, ping.job_id) == ("pending", job_id)
        assert Job.objects.get(pk=job_id).epoch == 2
