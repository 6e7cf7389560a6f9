"""The two e-mails of a registration, each sent as a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.urls import reverse
from django.utils.http import urlencode

from pipelines.accounts.services import email_token
from pipelines.mail.models import Email
from pipelines.mail.services import email_queue

if TYPE_CHECKING:
    from pipelines.accounts.models import User

_VERIFY = """Hello,

please open this link to show that this address is yours:

{link}

If you did not register, ignore this e-mail: an address that is not verified is forgotten.
"""
# It holds no link: whoever registered the address before may not have been its owner.
_KNOWN = """Hello,

somebody tried to register this address, for which there is an account already.

If it was you, sign in with the password that you chose then. If not, there is nothing to do.
"""


def send_verification(user: User) -> Email:
    """Send the link that verifies an address."""
    query = urlencode({"token": email_token(user)})
    link = f"{settings.PUBLIC_URL}{reverse('account-verification')}?{query}"
    return email_queue(
        owner=user,
        to=user.email,
        subject="Please verify your e-mail address",
        text=_VERIFY.format(link=link),
    )


def send_already_registered(user: User) -> Email:
    """Tell an account's owner that somebody tried to register its address."""
    # As much computing as for a new address, so that time does not tell which it was.
    email_token(user)
    return email_queue(
        owner=user,
        to=user.email,
        subject="You are registered already",
        text=_KNOWN,
    )
