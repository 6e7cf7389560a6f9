"""The scheduler's commands: what runs when, and housekeeping in this very process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django import Settings

from celerybeat.sync import sync
from pipelines.chat.models import Conversation
from pipelines.jobs.models import Job
from pipelines.jobs.nodes import node_seen
from pipelines.scheduler.models import Statistics
from tests.factories import ConversationFactory, UserFactory

pytestmark = pytest.mark.django_db


def _said(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_the_schedule_is_told() -> None:
    sync()
    assert "No beat is running" in _said("scheduler_info")
    node_seen(name="beat@here:1", role="beat")
    told = _said("scheduler_info")
    assert "beat@here:1 is running" in told
    assert "Daily housekeeping: 0 2 * * * (UTC), last never, next 2" in told


def _old() -> Conversation:
    made = ConversationFactory.create()
    Conversation.objects.filter(pk=made.pk).update(updated_at=timezone.now() - timedelta(days=31))
    return made


def test_one_task_does_its_part_alone() -> None:
    _old()
    UserFactory.create(email_verified_at=None, date_joined=timezone.now() - timedelta(days=8))
    told = _said("run_housekeeping", "--task", "users")
    assert "delete users: 1 accounts.User" in told
    assert Conversation.objects.count() == 1
    assert "delete conversations: 1 chat.Conversation" in _said(
        "run_housekeeping", "--task", "conversations"
    )
    assert Conversation.objects.count() == 0


def test_everything_is_run_and_counted_without_a_job() -> None:
    _old()
    told = _said("run_housekeeping")
    assert told.splitlines()[-1] == "Done."
    assert "delete messages: nothing" in told
    assert Statistics.objects.get().counts["conversations"] == 0
    assert Job.objects.count() == 0


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(CommandError, match="invalid choice"):
        _said("run_housekeeping", "--task", "nothing")


def _third_batch_meets(error: BaseException) -> Callable[..., Any]:
    """Let the third statement that deletes conversations go wrong."""
    deleted = 0

    def wrapper(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        nonlocal deleted
        is_meant = sql.startswith('DELETE FROM "chat_conversation"')
        deleted += is_meant
        if is_meant and deleted == 3:
            raise error
        return execute(sql, *rest)

    return wrapper


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (OperationalError("the disk is full"), 1, "The database failed: the disk is full"),
        (KeyboardInterrupt(), 130, "Stopped; what was told is done."),
    ],
)
def test_what_was_told_is_done_and_the_rest_is_as_it_was(
    settings: Settings, error: BaseException, status: int, words: str
) -> None:
    """Given two batches done and a third cut off, the command says so and ends with a status."""
    settings.RETENTION_BATCH = 2
    for _ in range(6):
        _old()
    out = StringIO()

    with (
        connection.execute_wrapper(_third_batch_meets(error)),
        pytest.raises(CommandError, match=words) as refusal,
    ):
        call_command("run_housekeeping", stdout=out)

    assert refusal.value.returncode == status
    assert out.getvalue().splitlines() == [
        "delete conversations: 2 so far",
        "delete conversations: 4 so far",
    ]
    assert Conversation.objects.count() == 2
    assert "delete conversations: 2 chat.Conversation" in _said("run_housekeeping")
