"""Staff give credits by adding an entry; nothing else of the ledger can be touched."""

from __future__ import annotations

import pytest
from django.test import Client

from pipelines.accounts.models import User
from pipelines.credits.models import Entry
from tests.factories import StaffFactory, UserFactory
from tests.unit.pipelines.credits.conftest import balance, lines

ADD = "/admin/credits/entry/add/"


@pytest.fixture
def staff(db: None) -> Client:
    """Somebody who may do everything, signed in."""
    client = Client()
    client.force_login(StaffFactory.create())
    return client


def _add(client: Client, owner: User, amount: object) -> str:
    form = {"owner": owner.pk, "amount": amount, "note": "thanks"}
    return client.post(ADD, form, follow=True).content.decode()


def test_staff_give_credits(staff: Client, owner: User) -> None:
    """Given an account, the entry and the balance move together, and the page names the entry."""
    page = _add(staff, owner, 5)
    entry = Entry.objects.get(amount=5)
    assert f"/admin/credits/entry/{entry.pk}/change/" in page
    assert (entry.kind, entry.note) == ("grant", "thanks")
    assert balance(owner) == (15, 0)


def test_staff_take_back(staff: Client, owner: User) -> None:
    """Given a negative amount, it is taken from what can be spent."""
    _add(staff, owner, -4)
    assert (lines(owner), balance(owner)) == ([("grant", 10), ("adjust", -4)], (6, 0))


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        (-11, "This takes 11 credits, and 10 can be spent."),
        (0, "but not 0"),
        (10**16, "The amount is a number up to"),
        ("much", "Enter a whole number."),
    ],
)
def test_what_the_ledger_refuses_is_said(
    staff: Client, owner: User, amount: object, reason: str
) -> None:
    """Given an amount that cannot be, the page says why and nothing is written."""
    assert reason in _add(staff, owner, amount)
    assert (lines(owner), balance(owner)) == ([("grant", 10)], (10, 0))


def test_an_entry_can_neither_be_changed_nor_deleted(staff: Client, owner: User) -> None:
    """Given an entry, both forms are refused."""
    place = f"/admin/credits/entry/{Entry.objects.get().pk}/"
    answers = [staff.post(place + "change/"), staff.post(place + "delete/", {"post": "yes"})]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert lines(owner) == [("grant", 10)]


def test_whoever_has_no_right_cannot_give(db: None, owner: User) -> None:
    """Given staff without the right, the form is refused."""
    client = Client()
    client.force_login(UserFactory.create(is_staff=True))
    assert client.post(ADD, {"owner": owner.pk, "amount": 5}).status_code == 403
    assert balance(owner) == (10, 0)
