"""Leases: extended while a step runs, given up once it has run too long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.accounts.models import User
from pipelines.chat.services import turn_accept
from pipelines.core.errors import JobCancelled, StaleAttempt, TurnpikeError
from pipelines.core.steps import step
from pipelines.jobs.claims import Claim, step_claim, step_recording
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.services import job_cancel
from workers.leases import LeaseKeeper


@pytest.fixture
def keeper(lease_keeper: LeaseKeeper) -> LeaseKeeper:
    return lease_keeper


@pytest.fixture
def claim(db: None) -> Claim:
    job = turn_accept(owner=User.objects.create(username="ada"), message="hello").job
    return step_claim(job_id=job.pk, epoch=1, name="chat.generate", worker="w", task_id="t")


def _lease(claim: Claim) -> Any:
    return JobStep.objects.get(pk=claim.step_id).lease_expires_at


def test_what_is_held_is_extended(keeper: LeaseKeeper, claim: Claim) -> None:
    before = _lease(claim)

    with keeper.hold(claim):
        keeper.extend()
        keeper.check(claim)

    assert _lease(claim) > before


def test_what_was_lost_is_noticed(keeper: LeaseKeeper, claim: Claim) -> None:
    JobStep.objects.filter(pk=claim.step_id).update(attempt=2)

    with keeper.hold(claim):
        keeper.extend()
        with pytest.raises(StaleAttempt):
            keeper.check(claim)


def _cancel(claim: Claim) -> None:
    job_cancel(job_id=claim.job_id)


def _delete(claim: Claim) -> None:
    Job.objects.filter(pk=claim.job_id).delete()


def _take_back(claim: Claim) -> None:
    JobStep.objects.filter(pk=claim.step_id).update(state="queued", lease_expires_at=None)


def _pass_on(claim: Claim) -> None:
    JobStep.objects.filter(pk=claim.step_id).update(attempt=2)


LOSSES = pytest.mark.parametrize(
    ("lose", "kind"),
    [
        (_cancel, JobCancelled),
        (_delete, JobCancelled),
        (_take_back, StaleAttempt),
        (_pass_on, StaleAttempt),
    ],
)


@LOSSES
@pytest.mark.parametrize("look", [LeaseKeeper.watch, LeaseKeeper.extend])
def test_who_loses_a_step_is_told_how(
    keeper: LeaseKeeper,
    claim: Claim,
    lose: Callable[[Claim], None],
    kind: type[TurnpikeError],
    look: Callable[[LeaseKeeper], None],
) -> None:
    told, arrived = [], threading.Event()

    def lost(error: TurnpikeError) -> None:
        told.append((type(error), threading.current_thread() is threading.main_thread()))
        arrived.set()

    with keeper.hold(claim), keeper.on_lost(claim, lost):
        look(keeper)
        keeper.check(claim)
        lose(claim)
        look(keeper)
        look(keeper)
        with pytest.raises(kind):
            keeper.check(claim)
        assert arrived.wait(10)

    assert told == [(kind, False)]


def test_who_asks_too_late_is_told_at_once(keeper: LeaseKeeper, claim: Claim) -> None:
    arrived = threading.Event()
    with keeper.hold(claim):
        _cancel(claim)
        keeper.watch()

        with keeper.on_lost(claim, lambda _: arrived.set()):
            assert arrived.wait(10)


def test_who_is_done_is_told_nothing(keeper: LeaseKeeper, claim: Claim) -> None:
    told: list[TurnpikeError] = []
    with keeper.hold(claim):
        with keeper.on_lost(claim, told.append):
            pass
        _cancel(claim)
        keeper.watch()

    assert told == []


def test_a_step_that_is_recorded_is_not_lost(keeper: LeaseKeeper, claim: Claim) -> None:
    with keeper.hold(claim):
        with step_recording(claim) as outcome:
            outcome.output = {"text": "hello"}
        keeper.watch()
        keeper.extend()
        keeper.check(claim)


def test_a_look_costs_one_query(
    keeper: LeaseKeeper, claim: Claim, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        keeper.watch()

    with keeper.hold(claim), django_assert_num_queries(1):
        keeper.watch()


def test_a_step_past_its_time_limit_is_let_go(
    keeper: LeaseKeeper, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    before = _lease(claim)

    with keeper.hold(claim):
        now += step("chat.generate").time_limit + 1
        keeper.extend()
        with pytest.raises(StaleAttempt):
            keeper.check(claim)

    assert _lease(claim) == before
