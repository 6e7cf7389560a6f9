"""Writes to the ledger: open an account, grant, reserve, settle, release.

An entry and the balance that it changes are written in one transaction. The balance's row is
locked last of all, see pipelines/jobs/locks.py: whoever writes here asks for no other lock after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from pipelines.core.errors import InsufficientCredits, InvalidInput
from pipelines.credits.models import BALANCE_MAX, Balance, Entry, Kind
from pipelines.credits.selectors import is_closed

if TYPE_CHECKING:
    from uuid import UUID

    from pipelines.accounts.models import User
    from pipelines.jobs.models import Job


def account_open(*, owner_id: UUID) -> Balance:
    """Return an account's balance; a new one begins with CREDITS_GRANT."""
    begin = settings.CREDITS_GRANT
    with transaction.atomic():
        balance, is_new = Balance.objects.get_or_create(
            owner_id=owner_id, defaults={"amount": begin}
        )
        if is_new and begin:
            Entry.objects.create(
                owner_id=owner_id, kind=Kind.GRANT, amount=begin, note="a new account"
            )
    return balance


def account_meter(*, owner: User) -> Balance:
    """Have an account pay for its turns, where not everyone does."""
    balance = account_open(owner_id=owner.pk)
    balance.is_metered = True
    balance.save(update_fields=["is_metered"])
    return balance


def credits_grant(*, owner: User, amount: int, note: str = "") -> Entry:
    """Give credits to an account, or take some back when the amount is negative.

    Raises:
        InvalidInput: The amount is 0, or the balance would come to more than BALANCE_MAX.
        InsufficientCredits: More would be taken than can be spent.
    """
    if not amount or abs(amount) > BALANCE_MAX:
        raise InvalidInput(
            f"The amount is a number up to {BALANCE_MAX}, but not 0.", field="amount"
        )
    kind = Kind.GRANT if amount > 0 else Kind.ADJUST
    with transaction.atomic():
        account_open(owner_id=owner.pk)
        rows = Balance.objects.filter(owner=owner, amount__gte=-amount)
        room = BALANCE_MAX - amount - F("held")
        if not rows.filter(amount__lte=room).update(amount=F("amount") + amount):
            if amount < 0:
                raise _insufficient(owner.pk, -amount)
            raise InvalidInput(f"A balance comes to {BALANCE_MAX} at most.", field="amount")
        return Entry.objects.create(owner=owner, kind=kind, amount=amount, note=note[:255])


def credits_reserve(*, job: Job, amount: int) -> None:
    """Hold credits for this epoch of a job; once, however often it is asked for.

    Args:
        job: Whose owner pays.
        amount: The most that the job can cost; 0 holds nothing.

    Raises:
        InsufficientCredits: The owner's balance does not cover it; nothing was written.
    """
    owner_id = job.owner_id
    if not amount or owner_id is None:
        return
    try:
        with transaction.atomic():
            _hold(owner_id, amount)
            Entry.objects.create(
                owner_id=owner_id,
                kind=Kind.RESERVE,
                amount=-amount,
                job_id=job.pk,
                epoch=job.epoch,
            )
    except (IntegrityError, InsufficientCredits):
        mine = Entry.objects.filter(kind=Kind.RESERVE, job_id=job.pk, epoch=job.epoch)
        if not mine.exists():
            raise


def _hold(owner_id: UUID, amount: int) -> None:
    """Move credits from the balance to what is held: one UPDATE decides between rivals."""
    covering = Balance.objects.filter(owner_id=owner_id, amount__gte=amount)
    moved = {"amount": F("amount") - amount, "held": F("held") + amount}
    if covering.update(**moved):
        return
    account_open(owner_id=owner_id)
    if not covering.update(**moved):
        raise _insufficient(owner_id, amount)


def _insufficient(owner_id: UUID, amount: int) -> InsufficientCredits:
    left = Balance.objects.values_list("amount", flat=True).get(owner_id=owner_id)
    return InsufficientCredits(f"This takes {amount} credits, and {left} can be spent.")


def credits_settle(*, reservation: Entry, used: int) -> None:
    """Close a reservation: charge what was used, up to what was held, and give back the rest.

    With nothing used it is released whole. One that is closed already stays as it is.
    """
    held = -reservation.amount
    charged = min(max(used, 0), held)
    lines = {Kind.RELEASE: held, Kind.SETTLE: -charged}
    try:
        with transaction.atomic():
            Entry.objects.bulk_create(
                Entry(
                    owner_id=reservation.owner_id,
                    kind=kind,
                    amount=amount,
                    job_id=reservation.job_id,
                    epoch=reservation.epoch,
                )
                for kind, amount in lines.items()
                if amount
            )
            Balance.objects.filter(owner_id=reservation.owner_id).update(
                amount=F("amount") + held - charged, held=F("held") - held
            )
    except IntegrityError:
        if not is_closed(reservation):
            raise
