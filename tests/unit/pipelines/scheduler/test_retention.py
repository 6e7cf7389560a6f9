"""What is old goes, in batches, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from pipelines.accounts.models import User
from pipelines.batches.models import Batch
from pipelines.batches.services import batch_accept
from pipelines.chat.models import Conversation, Message, Role
from pipelines.chat.services import turn_accept
from pipelines.core.steps import Step
from pipelines.credits.services import credits_grant
from pipelines.embeddings.models import Embedding
from pipelines.embeddings.services import embedding_accept
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel
from pipelines.responses.models import Response
from pipelines.responses.services import Asked, Said, response_accept
from pipelines.scheduler.pipeline import (
    DELETE_CONVERSATIONS,
    DELETE_JOBS,
    DELETE_MESSAGES,
    DELETE_USERS,
)
from pipelines.scheduler.retention import delete_old
from pipelines.scheduler.statistics import count
from pipelines.webhooks.models import Delivery
from pipelines.webhooks.services import endpoint_create, endpoint_ping

pytestmark = pytest.mark.django_db


def _delete(step: Step) -> dict[str, int]:
    *_, counts = delete_old(step)
    return counts


@pytest.fixture
def owner() -> User:
    return User.objects.create(username="ada", email="ada@example.com")


def _conversation(owner: User, days: int) -> Conversation:
    made = Conversation.objects.create(owner=owner)
    Message.objects.create(conversation=made, role="user", content="x", position=0)
    Conversation.objects.filter(pk=made.pk).update(updated_at=timezone.now() - timedelta(days=days))
    return made


def test_conversations_go_after_thirty_days_without_a_turn(owner: User) -> None:
    _conversation(owner, 31)
    kept = _conversation(owner, 29)

    assert _delete(DELETE_CONVERSATIONS) == {"chat.Conversation": 1, "chat.Message": 1}

    assert list(Conversation.objects.values_list("pk", flat=True)) == [kept.pk]


def test_a_conversation_with_a_turn_under_way_stays(owner: User) -> None:
    turn = turn_accept(owner=owner, message="x")
    old = timezone.now() - timedelta(days=99)
    Conversation.objects.filter(pk=turn.conversation.pk).update(updated_at=old)

    assert _delete(DELETE_CONVERSATIONS) == {}


def test_they_go_in_batches(owner: User, settings: Settings) -> None:
    settings.RETENTION_BATCH = 2
    for _ in range(5):
        _conversation(owner, 31)

    progress = [dict(counts) for counts in delete_old(DELETE_CONVERSATIONS)]

    assert [row["chat.Conversation"] for row in progress] == [2, 4, 5, 5]


def test_nothing_is_ever_too_old_when_the_days_are_zero(owner: User, settings: Settings) -> None:
    settings.CONVERSATION_DAYS = settings.UNVERIFIED_USER_DAYS = settings.JOB_DAYS = 0
    _conversation(owner, 9999)

    assert _delete(DELETE_CONVERSATIONS) == {}
    assert _delete(DELETE_USERS) == {}
    assert _delete(DELETE_JOBS) == {}


def _joined(name: str, days: int, **fields: object) -> User:
    return User.objects.create(
        username=name,
        date_joined=timezone.now() - timedelta(days=days),
        **{"email": f"{name}@example.com", **fields},
    )


def test_accounts_that_never_verified_go_after_seven_days() -> None:
    _joined("old", 8)
    _joined("young", 6)
    _joined("verified", 8, email_verified_at=timezone.now())
    _joined("staff", 8, is_staff=True)
    _joined("nameless", 8, email="")

    counts = _delete(DELETE_USERS)

    assert counts["accounts.User"] == 1
    assert not User.objects.filter(username="old").exists()
    assert User.objects.count() == 4


def test_an_account_whose_turn_comes_while_it_is_chosen_stays() -> None:
    user = _joined("old", 8)

    def turn_comes(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        """Let the first statement that chooses accounts be overtaken by a turn."""
        chosen = execute(sql, *rest)
        if sql.startswith("SELECT") and "accounts_user" in sql and not Job.objects.exists():
            turn_accept(owner=user, message="x")
        return chosen

    with connection.execute_wrapper(turn_comes):
        assert _delete(DELETE_USERS) == {}

    assert Job.objects.get().owner == user


def test_ended_jobs_go_after_thirty_days_and_their_messages_stay(owner: User) -> None:
    turn = turn_accept(owner=owner, message="x")
    active = turn_accept(owner=owner, message="y")
    old = timezone.now() - timedelta(days=31)
    Job.objects.filter(pk=turn.job.pk).update(state="completed", finished_at=old)

    assert _delete(DELETE_JOBS)["jobs.Job"] == 1

    assert list(Job.objects.values_list("pk", flat=True)) == [active.job.pk]
    assert Message.objects.count() == 2


def test_batches_and_deliveries_that_ended_long_ago_go(owner: User) -> None:
    endpoint = endpoint_create(owner=owner, url="https://example.com/", events=["job.failed"])
    old = timezone.now() - timedelta(days=31)
    ended, waiting, young = (endpoint_ping(endpoint=endpoint) for _ in range(3))
    Delivery.objects.filter(pk__in=[ended.pk, waiting.pk]).update(created_at=old)
    Delivery.objects.filter(pk__in=[ended.pk, young.pk]).update(state="delivered")
    finished, running = (
        batch_accept(owner=owner, turns=[{"message": "Who pays?"}]) for _ in range(2)
    )
    Batch.objects.filter(pk=finished.pk).update(finished_at=old)
    Batch.objects.update(created_at=old)

    counts = _delete(DELETE_JOBS)

    assert counts == {"webhooks.Delivery": 1, "batches.Batch": 1, "batches.BatchTurn": 1}
    assert set(Delivery.objects.values_list("pk", flat=True)) == {waiting.pk, young.pk}
    assert Batch.objects.get() == running


def test_responses_go_as_conversations_do_and_what_nobody_keeps_goes_sooner(owner: User) -> None:
    def asked(days: int, **fields: Any) -> Response:
        said = (Said(Role.USER, "Who pays?"),)
        made = response_accept(owner=owner, asked=Asked(said=said, model="m", **fields))
        moment = timezone.now() - timedelta(days=days)
        Response.objects.filter(pk=made.pk).update(created_at=moment)
        Job.objects.filter(response=made).update(state="completed", finished_at=moment)
        return made

    embedding_accept(owner=owner, texts=["old"])
    Embedding.objects.update(created_at=timezone.now() - timedelta(days=2))
    kept = {
        asked(29).pk,
        asked(0, is_stored=False).pk,
        embedding_accept(owner=owner, texts=["x"]).pk,
    }
    asked(31)
    asked(2, is_stored=False)
    waiting = asked(31)
    Job.objects.filter(response=waiting).update(state="queued")

    for step in (DELETE_CONVERSATIONS, DELETE_JOBS):
        _delete(step)

    left = {*Response.objects.values_list("pk", flat=True)}
    left |= {*Embedding.objects.values_list("pk", flat=True)}
    assert left == kept | {waiting.pk}


def test_the_ledger_of_a_living_account_stays(owner: User, settings: Settings) -> None:
    settings.CREDITS_MODE, settings.CREDITS_PER_TURN = "flat", 4
    credits_grant(owner=owner, amount=10)
    job_cancel(job_id=turn_accept(owner=owner, message="x").job.pk)
    old = timezone.now() - timedelta(days=9999)
    Job.objects.update(finished_at=old)
    Conversation.objects.update(updated_at=old)

    for step in (DELETE_CONVERSATIONS, DELETE_MESSAGES, DELETE_USERS, DELETE_JOBS):
        _delete(step)

    assert not Job.objects.exists()
    kinds = owner.entries.order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["grant", "reserve", "release"]
    assert owner.balance.amount == 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL lets nobody make an orphan")
def test_messages_without_a_conversation_go(owner: User) -> None:
    kept, gone = _conversation(owner, 0), _conversation(owner, 0)
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM chat_conversation WHERE id = %s", [gone.pk.hex])

    assert _delete(DELETE_MESSAGES) == {"chat.Message": 1}

    assert Message.objects.get().conversation_id == kept.pk


def test_what_is_counted(owner: User) -> None:
    turn_accept(owner=owner, message="x")

    assert count() == {
        "users": 1,
        "users_verified": 0,
        "users_active_last_day": 1,
        "conversations": 1,
        "messages": 1,
        "messages_last_day": 1,
        "documents": 0,
        "jobs_by_state": {"queued": 1},
    }
