"""No question that is asked all the time reads a whole table, however many jobs there are.

PostgreSQL is forbidden to read tables from end to end; what it still reads so, no index serves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from pipelines.accounts.models import User
from pipelines.batches.selectors import counts_of, turns_of
from pipelines.batches.services import batch_accept, turns_accept_some
from pipelines.chat.pipeline import FINISH, GENERATE, TURN
from pipelines.chat.services import turn_accept
from pipelines.core import dispatch
from pipelines.core.errors import PermanentError
from pipelines.jobs import relay
from pipelines.jobs.admission import check_admission
from pipelines.jobs.claims import leases_extend, step_claim, step_give_up, step_recording
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.selectors import jobs_of, waiting_of
from pipelines.jobs.services import job_cancel, job_replay
from pipelines.webhooks.selectors import deliveries_of
from pipelines.webhooks.services import endpoint_create

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs("postgres"),
    pytest.mark.skipif(
        "sqlite" in settings.DATABASES["default"]["ENGINE"], reason="runs in the PostgreSQL pass"
    ),
]

# But for the processes of a deployment, which are few.
_GROWING = re.compile("(?!jobs_node)(jobs|chat|credits|webhooks|batches)_")
_PLANNED = ("SELECT", "UPDATE", "DELETE")

# Enough for what grows with their square to stand out.
LANES, WAITING = 25, 7

Statement = tuple[str, Any]


@contextmanager
def asked() -> Iterator[list[Statement]]:
    """Note every statement that the block sends."""
    statements: list[Statement] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(_PLANNED):
            statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield statements


def plans(statements: list[Statement]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run each statement once more and undo it; yield it with what PostgreSQL did for it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for sql, params in statements:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
            [(plan,)] = cursor.fetchall()
            yield sql, plan[0]["Plan"]
        transaction.set_rollback(True)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All parts of a plan."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def reads_whole(plan: dict[str, Any]) -> bool:
    """Whether no index serves to find the rows of a table that grows."""
    return any(
        node["Node Type"] == "Seq Scan" and _GROWING.match(node["Relation Name"])
        for node in nodes(plan)
    )


def rows_read(plan: dict[str, Any]) -> int:
    """Count the rows that were looked at, whether they were wanted or not."""
    looked_at = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(
        sum(node.get(name, 0) for name in looked_at) * node["Actual Loops"]
        for node in nodes(plan)
        if "Relation Name" in node
    )


@pytest.fixture
def owner() -> User:
    return User.objects.create(username="ada", email="ada@example.com")


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that takes everything and has nothing."""
    monkeypatch.setattr(dispatch, "publish", lambda _: None)
    monkeypatch.setattr(dispatch, "queue_depths", lambda names: dict.fromkeys(names, 0))


def _do(job: Job, name: str) -> None:
    claim = step_claim(job_id=job.pk, epoch=job.epoch, name=name, worker="w", task_id="t")
    leases_extend([claim])
    with step_recording(claim) as outcome:
        outcome.output = {"text": "…"}


def test_a_turn_from_its_acceptance_to_its_end(owner: User) -> None:
    with asked() as statements:
        check_admission(TURN)
        turn = turn_accept(owner=owner, message="first")
        other = turn_accept(owner=owner, message="next", conversation_id=turn.conversation.pk)
        waiting_of(jobs_of(owner)[:20])
        for step in (GENERATE, FINISH):
            _do(turn.job, step.name)
        failed = step_claim(
            job_id=other.job.pk, epoch=1, name=GENERATE.name, worker="w", task_id="t"
        )
        step_give_up(failed, PermanentError())
        job_replay(job_id=other.job.pk)
        job_cancel(job_id=other.job.pk)

    assert len(statements) > 60
    assert [sql for sql, plan in plans(statements) if reads_whole(plan)] == []


def test_a_batch_and_what_is_told_of_it(owner: User) -> None:
    endpoint_create(owner=owner, url="https://example.com/", events=["job.completed"])
    # More than end here: each statement is run once more, and counts once more.
    batch = batch_accept(owner=owner, turns=[{"message": str(number)} for number in range(6)])
    with asked() as statements:
        turns_accept_some(batch.pk)
        for turn in turns_of(batch)[:2]:
            assert turn.job is not None
            for step in (GENERATE, FINISH):
                _do(turn.job, step.name)
        counts_of(batch)
        list(deliveries_of(owner)[:20])

    batch.refresh_from_db()
    assert (batch.ended, len(deliveries_of(owner))) == (2, 2)
    assert [sql for sql, plan in plans(statements) if reads_whole(plan)] == []


def test_a_round_of_the_relay(owner: User) -> None:
    """Given turns that wait for their lane or their share, it reads each but a few times."""
    for _ in range(LANES):
        turn = turn_accept(owner=owner, message="first")
        for number in range(WAITING):
            turn_accept(owner=owner, message=str(number), conversation_id=turn.conversation.pk)
    long_ago = timezone.now() - timedelta(hours=1)
    lost, late, *_ = Job.objects.filter(waits_for="")
    step_claim(job_id=lost.pk, epoch=1, name=GENERATE.name, worker="w", task_id="t")
    JobStep.objects.filter(state="in_progress").update(lease_expires_at=long_ago)
    Job.objects.filter(pk=late.pk).update(deadline=long_ago)
    JobStep.objects.filter(published_at__isnull=False).update(published_at=long_ago)

    with asked() as statements:
        done = relay.tick()

    assert done["leases"] == done["deadlines"] == 1
    assert done["published"] > 1
    found = list(plans(statements))
    assert [sql for sql, plan in found if reads_whole(plan)] == []
    few = 2 * JobStep.objects.count()
    assert {sql: read for sql, plan in found if (read := rows_read(plan)) > few} == {}
