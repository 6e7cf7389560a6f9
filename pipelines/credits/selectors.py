"""Reads of the ledger, and the check that it balances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from pipelines.credits.models import Balance, Entry, Kind
from pipelines.jobs.models import Job
from pipelines.jobs.states import ACTIVE

if TYPE_CHECKING:
    from uuid import UUID

    from pipelines.accounts.models import User


def is_charged(owner_id: UUID) -> bool:
    """Whether an account pays for its turns."""
    if settings.CREDITS_MODE == "off":
        return False
    return (
        settings.CREDITS_FOR == "everyone"
        or Balance.objects.filter(owner_id=owner_id, is_metered=True).exists()
    )


def entries_of(owner: User) -> QuerySet[Entry]:
    """Every entry of an owner, newest first."""
    return Entry.objects.filter(owner=owner).order_by("-id")


def _open() -> QuerySet[Entry]:
    """Choose the reservations that nothing has closed."""
    closing = Entry.objects.filter(
        kind=Kind.RELEASE, job_id=OuterRef("job_id"), epoch=OuterRef("epoch")
    )
    return Entry.objects.filter(~Exists(closing), kind=Kind.RESERVE)


def reservation_of(job_id: UUID) -> Entry | None:
    """Return what is held for a job; None when nothing is."""
    return _open().filter(job_id=job_id).order_by("-epoch").first()


def is_closed(reservation: Entry) -> bool:
    """Whether a reservation was closed."""
    return not _open().filter(pk=reservation.pk).exists()


def faults() -> Iterator[str]:
    """Tell, in words, whatever in the ledger does not agree; nothing when all is well.

    Each question is one statement, which sees one moment: it may be asked while turns run.
    """
    entries = _sum(Entry.objects.all())
    balances = Balance.objects.select_related("owner").annotate(entries=entries, open=_sum(_open()))
    for row in balances.exclude(amount=F("entries"), held=-F("open")):
        yield (
            f"{row.owner}: the balance is {row.amount} and the entries come to {row.entries}; "
            f"{row.held} are held and the open reservations come to {-row.open}"
        )
    unbalanced = Entry.objects.filter(owner__balance=None).select_related("owner")
    for name in sorted({str(entry.owner) for entry in unbalanced}):
        yield f"{name}: there are entries and no balance"
    active = Job.objects.filter(pk=OuterRef("job_id"), state__in=ACTIVE)
    for entry in _open().filter(~Exists(active)).select_related("owner"):
        yield f"{entry.owner}: {-entry.amount} are held for the job {entry.job_id}, which has ended"


def _sum(entries: QuerySet[Entry]) -> Coalesce:
    own = entries.filter(owner=OuterRef("owner")).order_by().values("owner")
    return Coalesce(Subquery(own.annotate(sum=Sum("amount")).values("sum")), 0)
