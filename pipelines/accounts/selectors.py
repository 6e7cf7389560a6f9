"""Reads of accounts."""

from __future__ import annotations

from pipelines.accounts.models import User


def user_by_email(email: str) -> User | None:
    """Return the account of an address, whatever its case; None when there is none."""
    return User.objects.filter(email__iexact=email).first()
