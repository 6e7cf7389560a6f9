"""The ledger under grants, reservations, closings, replays and their doubles, in any order."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, initialize, invariant, multiple, rule

from pipelines.accounts.models import User
from pipelines.core.errors import InsufficientCredits
from pipelines.credits.models import Balance, Entry, Kind
from pipelines.credits.selectors import faults, reservation_of
from pipelines.credits.services import (
    credits_grant,
    credits_reserve,
    credits_settle,
)
from pipelines.jobs.models import Job
from pipelines.jobs.states import JobState
from tests.factories import JobFactory, UserFactory
from tests.machines import DurableMachine, check_machine

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
AMOUNTS = st.integers(1, 30)


class PowerLostError(Exception):
    """The process died before its commit."""


@dataclass
class Held:
    """What the model knows of one reservation."""

    job: Job
    amount: int
    charged: int | None = None


class LedgerMachine(DurableMachine):
    """One owner; `reservations` keeps every handle that was ever given out, stale ones too."""

    jobs: Bundle[Job] = Bundle("jobs")
    reservations: Bundle[Entry] = Bundle("reservations")

    def __init__(self) -> None:
        """Know of nothing."""
        super().__init__()
        self.owner: User = UserFactory.create()
        self.spendable = 0
        self.held: dict[tuple[object, int], Held] = {}

    @initialize(amount=st.integers(1, 60))
    def begin(self, amount: int) -> None:
        """Give something to begin with."""
        self._give(amount)

    @rule(amount=st.integers(-40, 40).filter(bool))
    def grant(self, amount: int) -> None:
        """Give, or take back what can be spent."""
        if self.spendable + amount < 0:
            with pytest.raises(InsufficientCredits):
                credits_grant(owner=self.owner, amount=amount)
        else:
            self._give(amount)

    def _give(self, amount: int) -> None:
        credits_grant(owner=self.owner, amount=amount)
        self.spendable += amount

    @rule(target=jobs)
    def accept(self) -> Job:
        """Write a job down that has reserved nothing yet."""
        return JobFactory.create(owner=self.owner)

    @rule(target=reservations, job=jobs, amount=AMOUNTS)
    def reserve(self, job: Job, amount: int) -> MultipleResults[Entry]:
        """Reserve for the job's epoch: once, if it can be paid for; otherwise nothing happens."""
        key = (job.pk, job.epoch)
        if key not in self.held and amount > self.spendable:
            with pytest.raises(InsufficientCredits):
                credits_reserve(job=job, amount=amount)
            return multiple()
        credits_reserve(job=job, amount=amount)
        if key in self.held:
            return multiple()
        self.held[key] = Held(job, amount)
        self.spendable -= amount
        reservation = reservation_of(job.pk)
        assert reservation is not None
        assert (reservation.epoch, reservation.amount) == (job.epoch, -amount)
        return multiple(reservation)

    @rule(reservation=reservations, used=st.integers(-3, 40))
    def settle(self, reservation: Entry, used: int) -> None:
        """Close a reservation, or one that is closed already."""
        credits_settle(reservation=reservation, used=used)
        self._closed(reservation, max(0, used))

    def _closed(self, reservation: Entry, used: int) -> None:
        held = self.held[(reservation.job_id, reservation.epoch)]
        if held.charged is None:
            held.charged = min(used, held.amount)
            self.spendable += held.amount - held.charged

    @rule(job=jobs)
    def replay(self, job: Job) -> None:
        """Begin the next epoch of a job for which nothing is held any more."""
        if reservation_of(job.pk) is None:
            job.epoch += 1
            job.save(update_fields=["epoch"])

    @rule(job=jobs, reservation=reservations, amount=AMOUNTS)
    def lose_power(self, job: Job, reservation: Entry, amount: int) -> None:
        """Do everything, and die before the commit."""
        with suppress(PowerLostError, InsufficientCredits), transaction.atomic():
            credits_settle(reservation=reservation, used=amount)
            credits_reserve(job=job, amount=amount)
            raise PowerLostError

    @invariant()
    def the_ledger_balances(self) -> None:
        """The balance is the sum of its entries (I4); an epoch is charged once or not at all."""
        row = Balance.objects.filter(owner=self.owner).values_list("amount", "held").first()
        lines = list(
            Entry.objects.filter(owner=self.owner).values_list("job_id", "epoch", "kind", "amount")
        )
        amount, held = row or (0, 0)
        assert amount == self.spendable == sum(line[3] for line in lines) >= 0
        assert held == sum(held.amount for held in self.held.values() if held.charged is None)
        assert max(Counter(line[:3] for line in lines if line[0]).values(), default=1) == 1
        charged = {line[:2]: -line[3] for line in lines if line[2] == Kind.SETTLE}
        assert charged == {key: held.charged for key, held in self.held.items() if held.charged}
        closed = {line[:2] for line in lines if line[2] == Kind.RELEASE}
        assert closed == {key for key, held in self.held.items() if held.charged is not None}

    def drain(self) -> None:
        """End every job; the check finds no fault before, nor after, and nothing is held then."""
        assert list(faults()) == []
        for held in self.held.values():
            if (reservation := reservation_of(held.job.pk)) is not None:
                self.settle(reservation, 0)
        Job.objects.filter(owner=self.owner).update(state=JobState.FAILED)
        self.the_ledger_balances()
        assert list(faults()) == []
        assert not any(held.charged is None for held in self.held.values())


def test_the_ledger_balances_whatever_happens_in_whatever_order() -> None:
    """Given histories with doubles, refusals and lost power, I4 holds after each event."""
    check_machine(LedgerMachine)
