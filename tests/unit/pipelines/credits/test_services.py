"""The ledger: what is written, how often, and what is refused."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from pytest_django import Settings

from pipelines.accounts.models import User
from pipelines.core.errors import InsufficientCredits, InvalidInput
from pipelines.credits.models import BALANCE_MAX, Balance, Entry, Kind, Unchangeable
from pipelines.credits.selectors import faults, reservation_of
from pipelines.credits.services import (
    account_open,
    credits_grant,
    credits_reserve,
    credits_settle,
)
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel
from tests.factories import JobFactory, UserFactory
from tests.unit.pipelines.credits.conftest import balance, lines

GRANT = ("grant", 10)


@pytest.fixture
def job(owner: User) -> Job:
    return JobFactory.create(owner=owner)


def _reserved(job: Job, amount: int) -> Entry:
    credits_reserve(job=job, amount=amount)
    reservation = reservation_of(job.pk)
    assert reservation is not None
    return reservation


def test_what_is_reserved_cannot_be_spent_and_is_not_lost(owner: User, job: Job) -> None:
    _reserved(job, 6)

    assert balance(owner) == (4, 6)
    assert lines(owner) == [GRANT, ("reserve", -6)]
    entry = Entry.objects.get(kind=Kind.RESERVE)
    assert (entry.job_id, entry.epoch, entry.note) == (job.pk, 1, "")
    assert list(faults()) == []


@pytest.mark.parametrize(("used", "charged"), [(1, 1), (5, 5), (6, 6), (7, 6), (999, 6)])
def test_settling_charges_what_was_used_up_to_what_was_held(
    owner: User, job: Job, used: int, charged: int
) -> None:
    credits_settle(reservation=_reserved(job, 6), used=used)

    assert balance(owner) == (10 - charged, 0)
    assert lines(owner) == [GRANT, ("reserve", -6), ("release", 6), ("settle", -charged)]
    assert reservation_of(job.pk) is None


@pytest.mark.parametrize("used", [0, -1])
def test_nothing_used_is_given_back_whole(owner: User, job: Job, used: int) -> None:
    credits_settle(reservation=_reserved(job, 6), used=used)

    assert balance(owner) == (10, 0)
    assert lines(owner) == [GRANT, ("reserve", -6), ("release", 6)]


def test_a_reservation_is_closed_once(owner: User, job: Job) -> None:
    reservation = _reserved(job, 6)
    credits_settle(reservation=reservation, used=2)
    before = lines(owner)

    credits_settle(reservation=reservation, used=6)
    credits_settle(reservation=reservation, used=0)

    assert (balance(owner), lines(owner)) == ((8, 0), before)


def test_what_was_released_cannot_be_charged(owner: User, job: Job) -> None:
    reservation = _reserved(job, 6)
    credits_settle(reservation=reservation, used=0)

    credits_settle(reservation=reservation, used=6)

    assert balance(owner) == (10, 0)


def test_an_epoch_is_reserved_for_once_even_when_nothing_is_left(owner: User, job: Job) -> None:
    _reserved(job, 10)

    credits_reserve(job=job, amount=10)

    assert balance(owner) == (0, 10)
    credits_settle(reservation=_reserved(job, 10), used=0)
    credits_reserve(job=job, amount=3)
    assert (balance(owner), reservation_of(job.pk)) == ((10, 0), None)


def test_a_replay_reserves_anew_and_an_old_closing_does_not_touch_it(owner: User, job: Job) -> None:
    old = _reserved(job, 6)
    credits_settle(reservation=old, used=0)
    job.epoch = 2

    new = _reserved(job, 7)
    credits_settle(reservation=old, used=6)

    assert balance(owner) == (3, 7)
    credits_settle(reservation=new, used=7)
    assert balance(owner) == (3, 0)
    assert list(Entry.objects.filter(kind=Kind.SETTLE).values_list("epoch", "amount")) == [(2, -7)]


def test_more_than_there_is_is_refused_and_nothing_is_written(owner: User, job: Job) -> None:
    credits_reserve(job=job, amount=7)
    second = JobFactory.create(owner=owner)

    with pytest.raises(InsufficientCredits, match="This takes 4 credits, and 3 can be spent"):
        credits_reserve(job=second, amount=4)

    assert (balance(owner), lines(owner)) == ((3, 7), [GRANT, ("reserve", -7)])
    credits_reserve(job=second, amount=3)
    assert balance(owner) == (0, 10)


def test_a_job_without_a_price_or_an_owner_holds_nothing(owner: User, job: Job) -> None:
    credits_reserve(job=job, amount=0)
    credits_reserve(job=JobFactory.create(owner=None), amount=5)

    assert lines(owner) == [GRANT]
    assert Entry.objects.count() == 1


def test_a_new_account_begins_with_its_grant_once(db: None, settings: Settings) -> None:
    settings.CREDITS_GRANT = 3
    owner = UserFactory.create()

    credits_reserve(job=JobFactory.create(owner=owner), amount=2)
    account_open(owner_id=owner.pk)

    assert balance(owner) == (1, 2)
    assert lines(owner) == [("grant", 3), ("reserve", -2)]


def test_without_a_grant_an_account_begins_empty(db: None) -> None:
    owner = UserFactory.create()

    with pytest.raises(InsufficientCredits, match="0 can be spent"):
        credits_reserve(job=JobFactory.create(owner=owner), amount=1)

    assert account_open(owner_id=owner.pk).amount == 0
    assert lines(owner) == []


def test_staff_may_take_back_what_can_be_spent(owner: User, job: Job) -> None:
    credits_reserve(job=job, amount=4)

    with pytest.raises(InsufficientCredits):
        credits_grant(owner=owner, amount=-7)
    entry = credits_grant(owner=owner, amount=-6, note="by mistake")

    assert (entry.kind, entry.amount, entry.note) == ("adjust", -6, "by mistake")
    assert balance(owner) == (0, 4)


@pytest.mark.parametrize("amount", [0, BALANCE_MAX + 1, -BALANCE_MAX - 1])
def test_a_grant_has_its_bounds(owner: User, amount: int) -> None:
    with pytest.raises(InvalidInput):
        credits_grant(owner=owner, amount=amount)

    assert lines(owner) == [GRANT]


def test_a_balance_with_what_is_held_has_a_ceiling(owner: User, job: Job) -> None:
    credits_reserve(job=job, amount=4)

    with pytest.raises(InvalidInput, match=f"{BALANCE_MAX} at most"):
        credits_grant(owner=owner, amount=BALANCE_MAX - 9)
    credits_grant(owner=owner, amount=BALANCE_MAX - 10)

    assert balance(owner) == (BALANCE_MAX - 4, 4)


def test_no_balance_is_ever_negative_whatever_the_code_says(owner: User) -> None:
    for negative in ({"amount": -1}, {"held": -1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Balance.objects.filter(owner=owner).update(**negative)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": Kind.GRANT, "amount": -1},
        {"kind": Kind.GRANT, "amount": 0},
        {"kind": Kind.ADJUST, "amount": 1},
        {"kind": "gift", "amount": 1},
        {"kind": Kind.RESERVE, "amount": -1},
    ],
)
def test_the_database_refuses_an_entry_that_makes_no_sense(
    owner: User, fields: dict[str, object]
) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.create(owner=owner, **fields)


@pytest.mark.parametrize("kind", [Kind.RESERVE, Kind.SETTLE, Kind.RELEASE])
def test_the_database_refuses_to_do_anything_to_an_epoch_twice(
    owner: User, job: Job, kind: Kind
) -> None:
    amount = 1 if kind == Kind.RELEASE else -1
    line = {"owner": owner, "kind": kind, "amount": amount, "job_id": job.pk, "epoch": 1}
    Entry.objects.create(**line)

    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.create(**line)
    Entry.objects.create(**{**line, "epoch": 2})


def test_an_entry_is_never_changed(owner: User) -> None:
    entry = Entry.objects.get()
    entries: QuerySet[Entry] = Entry.objects.filter(owner=owner)
    entry.amount = 99
    for change in (
        entry.save,
        entry.delete,
        entries.delete,
        lambda: entries.update(amount=99),
        lambda: Entry.objects.bulk_update([entry], ["amount"]),
    ):
        with pytest.raises(Unchangeable, match="never changed"):
            change()

    assert lines(owner) == [GRANT]


def test_deleting_a_job_leaves_what_it_cost(owner: User, job: Job) -> None:
    credits_settle(reservation=_reserved(job, 6), used=6)
    before = lines(owner)

    job.delete()

    assert (balance(owner), lines(owner)) == ((4, 0), before)
    assert list(faults()) == []


def test_an_account_takes_its_ledger_with_it(owner: User, job: Job) -> None:
    credits_reserve(job=job, amount=6)
    job_cancel(job_id=job.pk)

    owner.delete()

    assert not Entry.objects.exists()
    assert not Balance.objects.exists()
