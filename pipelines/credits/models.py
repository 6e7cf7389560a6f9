"""Tables: each account's balance, and the ledger whose sum it is.

    grant ──► balance ──reserve──► held ──release──► balance ──settle──► charged

A job's reservation is one entry, and its closing another that gives it back whole; what was used
is charged beside it, in the same transaction. So the sum of all entries is the balance at any
moment, what is held is the sum of the reservations without a release, and what a job cost is its
settlement alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import Q

from pipelines.core.models import Entity

# The most that a balance may come to: sums stay exact in JSON, where numbers are often doubles.
BALANCE_MAX = 10**15


class Balance(models.Model):
    """What an account may spend; written only together with the entries that say why."""

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="balance"
    )
    amount = models.BigIntegerField(default=0)
    # Reserved by jobs that have not ended; no part of the amount.
    held = models.BigIntegerField(default=0)
    # Whether the account pays where not everyone does.
    is_metered = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="balance_not_negative"),
            models.CheckConstraint(condition=Q(held__gte=0), name="balance_held_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} and {self.held} held"


class Kind(models.TextChoices):
    """What an entry stands for."""

    GRANT = "grant", "Grant: given to the account"
    ADJUST = "adjust", "Adjust: taken back by staff"
    RESERVE = "reserve", "Reserve: held for a job, the most that it can cost"
    RELEASE = "release", "Release: a job's reservation, given back whole at its end"
    SETTLE = "settle", "Settle: charged for what a job used"


_GIVE = (Kind.GRANT, Kind.RELEASE)
_TAKE = (Kind.ADJUST, Kind.RESERVE, Kind.SETTLE)
_OF_JOBS = (Kind.RESERVE, Kind.RELEASE, Kind.SETTLE)


class Unchangeable(TypeError):
    """An entry of the ledger is never changed; what was wrong is put right by another entry."""

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


class Entries(models.QuerySet["Entry"]):
    """Entries, which can be added and read."""

    def update(self, **fields: Any) -> NoReturn:
        """Refuse."""
        raise Unchangeable

    def bulk_update(
        self, objs: Iterable[Entry], fields: Iterable[str], batch_size: int | None = None
    ) -> NoReturn:
        """Refuse."""
        raise Unchangeable

    def delete(self) -> NoReturn:
        """Refuse; entries go with their account and not before."""
        raise Unchangeable


class Entry(Entity):
    """One line of the ledger: what was added to the balance, or taken from it, and why."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="entries"
    )
    kind = models.CharField(max_length=16, choices=Kind)
    # What the balance changed by.
    amount = models.BigIntegerField()
    # The id alone, no reference: jobs are deleted when they are old, and what they cost stays.
    job_id = models.UUIDField(null=True, blank=True)
    # The job's epoch: each replay reserves anew.
    epoch = models.PositiveIntegerField(default=0)
    note = models.CharField(max_length=255, blank=True)

    objects = Entries.as_manager()

    class Meta:
        verbose_name_plural = "entries"
        constraints = [
            # A job is reserved for, given back and charged once an epoch, or not at all.
            models.UniqueConstraint(
                fields=["job_id", "epoch", "kind"],
                condition=Q(job_id__isnull=False),
                name="entry_once",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=_GIVE, amount__gt=0) | Q(kind__in=_TAKE, amount__lt=0),
                name="entry_sign",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=_OF_JOBS, job_id__isnull=False)
                | (~Q(kind__in=_OF_JOBS) & Q(job_id__isnull=True)),
                name="entry_of_job",
            ),
        ]
        indexes = [models.Index(fields=["owner", "-id"], name="entry_by_owner")]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount:+}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the entry; Unchangeable when it is there already."""
        if not self._state.adding:
            raise Unchangeable
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise Unchangeable
