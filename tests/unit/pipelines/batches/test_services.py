"""A batch: taken in whole, accepted by and by, counted once a turn, cancelled for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from pipelines.accounts.models import User
from pipelines.batches.models import Batch, BatchTurn
from pipelines.batches.pipeline import ACCEPT
from pipelines.batches.selectors import counts_of
from pipelines.batches.services import batch_accept, batch_cancel, turns_accept_some
from pipelines.chat.models import Message
from pipelines.core.errors import Conflict, InvalidInput, PermanentError
from pipelines.jobs import admission
from pipelines.jobs.admission import Overloaded
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.services import job_end, job_replay
from pipelines.jobs.states import JobState
from pipelines.webhooks.models import Delivery
from pipelines.webhooks.services import endpoint_create
from tests.factories import UserFactory
from workers import batches
from workers.base import execute


@pytest.fixture
def owner(db: None) -> User:
    return UserFactory.create()


def messages(count: int) -> list[Mapping[str, Any]]:
    return [{"message": f"Question {n}", "custom_id": f"q{n}"} for n in range(count)]


def end(batch: Batch, position: int, state: JobState = JobState.COMPLETED) -> None:
    """Let the job of a turn end."""
    job = BatchTurn.objects.get(batch=batch, position=position).job
    assert job is not None
    Job.objects.filter(pk=job.pk).update(state=JobState.IN_PROGRESS)
    job.refresh_from_db()
    error = PermanentError("No.") if state == JobState.FAILED else None
    with transaction.atomic():
        job_end(job, state, error=error)
    batch.refresh_from_db()


def filled(batch: Batch) -> dict[str, int]:
    return {state: count for state, count in counts_of(batch).items() if count}


def work(batch: Batch) -> JobStep:
    """Let a worker have a try at accepting, whenever it would have its turn."""
    assert batch.job is not None
    JobStep.objects.filter(job=batch.job).exclude(ready_at=None).update(ready_at=timezone.now())
    with suppress(Exception):
        execute(ACCEPT, batches.accept, batch.job.pk, 1, "w", "t")
    return JobStep.objects.get(job=batch.job)


def test_a_batch_is_taken_in_whole_and_accepted_later(owner: User) -> None:
    batch = batch_accept(owner=owner, turns=messages(3), metadata={"mine": 1})

    assert (batch.total, filled(batch)) == (3, {"waiting": 3})
    assert not Message.objects.exists()
    assert work(batch).state == "completed"
    assert filled(batch) == {"queued": 3}
    jobs = Job.objects.filter(kind="chat.turn").order_by("id")
    assert [(job.owner, job.priority) for job in jobs] == [(owner, -1)] * 3
    assert list(Message.objects.order_by("id").values_list("content", flat=True)) == [
        f"Question {n}" for n in range(3)
    ]
    assert list(BatchTurn.objects.values_list("body", flat=True)) == [{}, {}, {}]


def test_so_many_are_under_way_and_no_more(owner: User, settings: Settings) -> None:
    settings.BATCH_AHEAD = 2
    batch = batch_accept(owner=owner, turns=messages(3))

    assert turns_accept_some(batch.pk) is False
    assert turns_accept_some(batch.pk) is False
    assert filled(batch) == {"queued": 2, "waiting": 1}
    end(batch, 0)
    assert turns_accept_some(batch.pk) is True
    assert filled(batch) == {"completed": 1, "queued": 2}


def test_the_step_comes_back_for_the_rest_without_using_its_tries(
    owner: User, settings: Settings
) -> None:
    settings.BATCH_AHEAD = 1
    batch = batch_accept(owner=owner, turns=messages(2))

    step = work(batch)
    assert (step.state, step.tries) == ("queued", 0)
    end(batch, 0)
    assert work(batch).state == "completed"


def test_a_house_that_is_full_is_asked_again_later(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batch_accept(owner=owner, turns=messages(1))

    def full(_: object) -> None:
        raise Overloaded(retry_after=30)

    monkeypatch.setattr("pipelines.chat.services.check_admission", full)
    step = work(batch)
    assert (step.state, step.tries, filled(batch)) == ("queued", 0, {"waiting": 1})
    monkeypatch.setattr("pipelines.chat.services.check_admission", admission.check_admission)
    assert work(batch).state == "completed"


def test_it_ends_with_its_last_turn_however_each_ended(owner: User) -> None:
    endpoint_create(owner=owner, url="https://example.com/", events=["batch.completed"])
    batch = batch_accept(owner=owner, turns=messages(3))
    turns_accept_some(batch.pk)

    end(batch, 2)
    end(batch, 0, JobState.FAILED)
    assert (batch.state, batch.ended) == ("in_progress", 2)
    end(batch, 1, JobState.CANCELLED)

    assert (batch.state, batch.ended) == ("completed", 3)
    assert batch.finished_at is not None
    assert filled(batch) == {"completed": 1, "failed": 1, "cancelled": 1}
    assert [delivery.type for delivery in Delivery.objects.all()] == ["batch.completed"]


def test_a_replay_is_not_counted_again(owner: User) -> None:
    batch = batch_accept(owner=owner, turns=messages(2))
    turns_accept_some(batch.pk)
    end(batch, 0, JobState.FAILED)
    job = BatchTurn.objects.get(batch=batch, position=0).job
    assert job is not None
    job.steps.filter(position=0).update(state="failed")
    job_replay(job_id=job.pk)

    end(batch, 0)

    assert (batch.state, batch.ended, filled(batch)) == (
        "in_progress",
        1,
        {"completed": 1, "queued": 1},
    )


def test_a_turn_that_cannot_be_accepted_counts_as_ended(owner: User) -> None:
    missing = {"message": "Where?", "conversation_id": str(owner.pk)}
    batch = batch_accept(owner=owner, turns=[missing, *messages(1)])

    assert turns_accept_some(batch.pk) is True
    end(batch, 1)

    refused = BatchTurn.objects.get(batch=batch, position=0)
    assert (refused.error_code, refused.body) == ("not_found", {})
    assert (batch.state, filled(batch)) == ("completed", {"refused": 1, "completed": 1})


def test_a_cancel_ends_the_rest(owner: User, settings: Settings) -> None:
    settings.BATCH_AHEAD = 2
    endpoint_create(owner=owner, url="https://example.com/", events=["batch.cancelled"])
    batch = batch_accept(owner=owner, turns=messages(4))
    turns_accept_some(batch.pk)
    end(batch, 0)

    batch_cancel(batch=batch)

    batch.refresh_from_db()
    assert (batch.state, filled(batch)) == ("cancelled", {"completed": 1, "cancelled": 3})
    assert batch.job is not None
    assert Job.objects.get(pk=batch.job.pk).state == "cancelled"
    assert turns_accept_some(batch.pk) is True
    assert Message.objects.count() == 2
    assert [delivery.type for delivery in Delivery.objects.all()] == ["batch.cancelled"]
    with pytest.raises(Conflict) as refusal:
        batch_cancel(batch=batch)
    assert refusal.value.error_code == "already_ended"


@pytest.mark.parametrize(
    ("turns", "code"),
    [
        ([], "empty"),
        (messages(3), "too_many_turns"),
        ([{"message": " "}], "empty"),
        (
            [{"message": "a", "custom_id": "x"}, {"message": "b", "custom_id": "x"}],
            "custom_id_taken",
        ),
    ],
)
def test_what_is_no_batch_is_refused(
    owner: User, settings: Settings, turns: list[Mapping[str, Any]], code: str
) -> None:
    settings.BATCH_MAX_TURNS = 2
    with pytest.raises(InvalidInput) as refusal:
        batch_accept(owner=owner, turns=turns)
    assert refusal.value.error_code == code
    assert not Batch.objects.exists()
    assert not Job.objects.exists()


def test_turns_without_a_name_do_not_collide(owner: User, settings: Settings) -> None:
    settings.BATCH_MAX_TURNS = 2
    batch = batch_accept(owner=owner, turns=[{"message": "a"}, {"message": "a"}])
    assert filled(batch) == {"waiting": 2}
