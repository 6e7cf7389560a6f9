"""`manage.py credits`: grants, and a check that sees what does not balance."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from pipelines.accounts.models import User
from pipelines.credits.models import Balance, Entry, Kind
from pipelines.credits.services import credits_reserve
from pipelines.jobs.models import Job
from tests.factories import JobFactory
from tests.unit.pipelines.credits.conftest import balance, lines


def _credits(*arguments: str) -> str:
    out = StringIO()
    call_command("credits", *arguments, stdout=out)
    return out.getvalue()


def test_a_grant_by_address(owner: User) -> None:
    said = _credits("grant", owner.email.upper(), "5", "--note", "thanks")

    assert said == f"{owner.email} can spend 15.\n"
    entry = Entry.objects.get(amount=5)
    assert (entry.kind, entry.note) == ("grant", "thanks")


def test_a_negative_grant_takes_back(owner: User) -> None:
    assert "can spend 7" in _credits("grant", "--", owner.email, "-3")
    with pytest.raises(CommandError, match="This takes 8 credits, and 7 can be spent"):
        _credits("grant", "--", owner.email, "-8")

    assert lines(owner) == [("grant", 10), ("adjust", -3)]


def test_nobody_gets_nothing(owner: User) -> None:
    with pytest.raises(CommandError, match=r"No account has the address eve@example\.com"):
        _credits("grant", "eve@example.com", "5")
    with pytest.raises(CommandError, match="but not 0"):
        _credits("grant", owner.email, "0")

    assert balance(owner) == (10, 0)


def test_a_ledger_that_balances(owner: User) -> None:
    credits_reserve(job=JobFactory.create(owner=owner), amount=4)

    assert _credits("check") == "The ledger balances.\n"


def _faults() -> list[str]:
    out = StringIO()
    with pytest.raises(CommandError, match="The ledger does not balance"):
        call_command("credits", "check", stdout=out)
    return out.getvalue().splitlines()


def test_a_balance_that_is_not_its_sum_is_named(owner: User) -> None:
    Balance.objects.update(amount=11)

    assert _faults() == [
        (
            "ada: the balance is 11 and the entries come to 10; "
            "0 are held and the open reservations come to 0"
        )
    ]


def test_what_is_held_for_nothing_is_named(owner: User) -> None:
    credits_reserve(job=JobFactory.create(owner=owner), amount=4)
    Balance.objects.update(held=3)

    assert _faults() == [
        (
            "ada: the balance is 6 and the entries come to 6; "
            "3 are held and the open reservations come to 4"
        )
    ]


def test_entries_without_a_balance_are_named(owner: User) -> None:
    Balance.objects.all().delete()

    assert _faults() == ["ada: there are entries and no balance"]


def test_what_is_held_for_a_job_that_ended_is_named(owner: User) -> None:
    job = JobFactory.create(owner=owner)
    credits_reserve(job=job, amount=4)
    Job.objects.update(state="completed")

    assert _faults() == [f"ada: 4 are held for the job {job.pk}, which has ended"]


def test_an_entry_too_many_is_named(owner: User) -> None:
    Entry.objects.create(owner=owner, kind=Kind.GRANT, amount=1)

    assert len(_faults()) == 1
