"""An account with ten credits, and what the ledger says of it."""

from __future__ import annotations

import pytest

from pipelines.accounts.models import User
from pipelines.credits.models import Balance, Entry
from pipelines.credits.services import credits_grant
from tests.factories import UserFactory


@pytest.fixture
def owner(db: None) -> User:
    """Somebody who was given ten credits."""
    owner = UserFactory.create(username="ada")
    credits_grant(owner=owner, amount=10)
    return owner


def balance(owner: User) -> tuple[int, int]:
    """What can be spent, and what is held."""
    row = Balance.objects.get(owner=owner)
    return row.amount, row.held


def lines(owner: User) -> list[tuple[str, int]]:
    """The entries, the oldest first."""
    return list(Entry.objects.filter(owner=owner).order_by("id").values_list("kind", "amount"))
