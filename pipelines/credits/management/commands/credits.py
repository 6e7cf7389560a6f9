"""`manage.py credits`: give credits to an account, and check that the ledger balances."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from pipelines.accounts.selectors import user_by_email
from pipelines.core.errors import TurnpikeError
from pipelines.credits.selectors import faults
from pipelines.credits.services import account_open, credits_grant


class Command(BaseCommand):
    """Grant and check."""

    help = "Give credits to an account, or check that every balance is the sum of its entries."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to do, and for whom."""
        actions = parser.add_subparsers(dest="action", required=True)
        grant = actions.add_parser("grant", help="give credits, or take some back (-- EMAIL -5)")
        grant.add_argument("email")
        grant.add_argument("amount", type=int)
        grant.add_argument("--note", default="", help="shown to the account's owner")
        actions.add_parser("check", help="name what does not balance; status 1 when anything")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        if options["action"] == "grant":
            self._grant(options["email"], options["amount"], options["note"])
        else:
            self._check()

    def _grant(self, email: str, amount: int, note: str) -> None:
        owner = user_by_email(email)
        if owner is None:
            raise CommandError(f"No account has the address {email}.")
        try:
            credits_grant(owner=owner, amount=amount, note=note)
        except TurnpikeError as error:
            raise CommandError(error.detail) from error
        left = account_open(owner_id=owner.pk).amount
        self.stdout.write(f"{owner.email} can spend {left}.")

    def _check(self) -> None:
        found = list(faults())
        for fault in found:
            self.stdout.write(fault)
        if found:
            raise CommandError(f"The ledger does not balance: {len(found)} faults.")
        self.stdout.write("The ledger balances.")
