"""What many connections do at once to one balance of PostgreSQL; as in test_rivals.py."""

from __future__ import annotations

from collections import Counter

import pytest
from django.conf import settings
from pytest_django import Settings

from pipelines.accounts.models import User
from pipelines.chat.models import Conversation, Message
from pipelines.chat.pipeline import FINISH, GENERATE
from pipelines.chat.services import Turn, reply_record, turn_accept
from pipelines.core.errors import (
    Conflict,
    InsufficientCredits,
    JobCancelled,
    NotClaimable,
    PermanentError,
    StaleAttempt,
)
from pipelines.credits.models import Balance, Entry
from pipelines.credits.selectors import faults, reservation_of
from pipelines.credits.services import credits_grant, credits_reserve, credits_settle
from pipelines.jobs.claims import step_claim, step_give_up, step_recording
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel, job_replay
from tests.factories import JobFactory, UserFactory
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
    return UserFactory.create()


@pytest.fixture(autouse=True)
def flat(settings: Settings) -> None:
    """Each turn costs 3."""
    settings.CREDITS_MODE, settings.CREDITS_PER_TURN = "flat", 3


def _balance(owner: User) -> tuple[int, int]:
    row = Balance.objects.get(owner=owner)
    return row.amount, row.held


def _is_accepted(owner: User) -> bool:
    try:
        turn_accept(owner=owner, message="hello")
    except InsufficientCredits:
        return False
    return True


def test_many_turns_at_once_are_accepted_as_far_as_the_balance_goes(owner: User) -> None:
    """Given credits for 10 turns and a third, 10 of 48 are accepted, the rest leave nothing."""
    credits_grant(owner=owner, amount=31)

    assert sum(at_once(lambda _: _is_accepted(owner), 48)) == 10

    assert _balance(owner) == (1, 30)
    assert [model.objects.count() for model in (Job, Message, Conversation)] == [10, 10, 10]
    assert Counter(Entry.objects.values_list("kind", flat=True)) == {"grant": 1, "reserve": 10}
    assert list(faults()) == []


def test_a_new_account_that_is_used_at_once_is_opened_once(owner: User, settings: Settings) -> None:
    """Given a grant for two turns, many open it once, and no third turn is accepted."""
    settings.CREDITS_GRANT = 6

    assert sum(at_once(lambda _: _is_accepted(owner))) == 2

    assert _balance(owner) == (0, 6)
    assert Entry.objects.filter(kind="grant").count() == 1


def test_one_reservation_is_made_and_closed_once_however_many_try(owner: User) -> None:
    credits_grant(owner=owner, amount=100)
    for _ in range(5):
        job = JobFactory.create(owner=owner)
        at_once(lambda _: credits_reserve(job=job, amount=10))  # noqa: B023 - done before the next
        reservation = reservation_of(job.pk)
        assert reservation is not None

        at_once(lambda used: credits_settle(reservation=reservation, used=used % 2))  # noqa: B023

    amount, held = _balance(owner)
    assert held == 0
    assert 95 <= amount <= 100
    assert Entry.objects.filter(kind="release").count() == 5
    Job.objects.update(state="failed")
    assert list(faults()) == []


def _answer(turn: Turn) -> None:
    """Work a turn off as far as it goes."""
    try:
        claim = step_claim(job_id=turn.job.pk, epoch=1, name=GENERATE.name, worker="w", task_id="t")
        with step_recording(claim) as outcome:
            outcome.output = {"input_tokens": 1, "output_tokens": 1}
        claim = step_claim(job_id=turn.job.pk, epoch=1, name=FINISH.name, worker="w", task_id="t")
        with step_recording(claim):
            reply_record(
                question=turn.message,
                content="…",
                citations=[],
                provider="sandbox",
                model="m",
                input_tokens=1,
                output_tokens=1,
            )
    except (NotClaimable, StaleAttempt, JobCancelled):
        return


@pytest.mark.timeout(300)
def test_ends_that_touch_one_balance_and_one_conversation_never_wait_in_a_circle(
    owner: User,
) -> None:
    """Given turns of one conversation that finish and are cancelled at once, none deadlocks.

    The end of a turn locks the next one and then the balance; so does each of its rivals.
    """
    credits_grant(owner=owner, amount=10_000)
    for _ in range(15):
        turns = [turn_accept(owner=owner, message="first")]
        place = turns[0].conversation.pk
        turns += [turn_accept(owner=owner, message="x", conversation_id=place) for _ in range(5)]

        def disturb(number: int) -> None:
            if number == 0:
                _answer(turns[0])  # noqa: B023 - done before the next
                _answer(turns[1])  # noqa: B023
            elif number < 6:
                job_cancel(job_id=turns[number].job.pk)  # noqa: B023
            else:
                turn_accept(owner=owner, message="x", conversation_id=place)  # noqa: B023

        at_once(disturb, 8)

    assert list(faults()) == []
    for job_id in Job.objects.filter(state__in=["queued", "in_progress"]).values_list("pk"):
        job_cancel(job_id=job_id[0])
    amount, held = _balance(owner)
    completed = Job.objects.filter(state="completed").count()
    assert (amount, held) == (10_000 - 3 * completed, 0)
    assert list(faults()) == []


def test_replays_and_cancels_at_once_hold_each_epoch_once(owner: User) -> None:
    credits_grant(owner=owner, amount=30)
    turns = [turn_accept(owner=owner, message=str(number)) for number in range(8)]
    for turn in turns:
        claim = step_claim(job_id=turn.job.pk, epoch=1, name=GENERATE.name, worker="w", task_id="t")
        step_give_up(claim, PermanentError())
    assert _balance(owner) == (30, 0)
    credits_grant(owner=owner, amount=-15)

    def replay(number: int) -> bool:
        try:
            job_replay(job_id=turns[number % 8].job.pk)
        except InsufficientCredits:
            return False
        except Conflict:  # its rival was first
            return False
        return True

    assert sum(at_once(replay)) == 5

    assert _balance(owner) == (0, 15)
    at_once(lambda number: job_cancel(job_id=turns[number % 8].job.pk))
    assert _balance(owner) == (15, 0)
    assert list(faults()) == []
