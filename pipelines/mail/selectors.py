"""Reads of e-mails, each scoped to one owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import QuerySet

from pipelines.mail.models import Email

if TYPE_CHECKING:
    from pipelines.accounts.models import User


def emails_of(owner: User) -> QuerySet[Email]:
    """Every e-mail to an owner, newest first."""
    return Email.objects.filter(owner=owner).order_by("-id")


def emails_latest(count: int) -> QuerySet[Email]:
    """The newest e-mails of the whole house; only staff may be shown them."""
    return Email.objects.order_by("-id")[:count]
