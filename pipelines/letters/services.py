"""Writes of letters: each is an e-mail that a job sends."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings

from pipelines.accounts.links import VERIFY, token_of
from pipelines.accounts.selectors import user_by_email
from pipelines.jobs.services import job_accept
from pipelines.letters.pipeline import LETTER
from pipelines.letters.texts import BY_ADDRESS, KNOWN, VERIFICATION, Letter
from pipelines.mail.models import Email
from pipelines.mail.services import email_queue

if TYPE_CHECKING:
    from pipelines.accounts.models import User
    from pipelines.jobs.models import Job


def letter_send(*, user: User, letter: Letter) -> Email:
    """Write a letter to an account's address."""
    link = ""
    if letter.purpose is not None:
        query = urlencode({"token": token_of(user, letter.purpose)})
        link = f"{settings.PUBLIC_URL}{letter.path}?{query}"
    return email_queue(
        owner=user, to=user.email, subject=letter.subject, text=letter.text.format(link=link)
    )


def verification_send(*, user: User) -> Email:
    """Send the link that verifies an address."""
    return letter_send(user=user, letter=VERIFICATION)


def known_send(*, user: User) -> Email:
    """Tell an account's owner that somebody tried to register its address."""
    # As much computing as for a new address, so that time does not tell which it was.
    token_of(user, VERIFY)
    return letter_send(user=user, letter=KNOWN)


def letter_request(*, name: str, email: str) -> Job:
    """Order a letter to whoever has an address, by a job that finds out whether anybody does.

    So the request does the same, in the same time, whether the address is known or not.

    Args:
        name: One of BY_ADDRESS.
        email: The address.
    """
    return job_accept(pipeline=LETTER, owner=None, input={"letter": name, "email": email})


def letter_write(*, job: Job) -> Email | None:
    """Write the letter that a job was ordered for, and forget for whom.

    Returns None when nobody who may sign in has the address.
    """
    name, address = job.input["letter"], job.input["email"]
    job.input = {"letter": name}
    job.save(update_fields=["input"])
    user = user_by_email(address)
    if user is None or not user.is_active:
        return None
    return letter_send(user=user, letter=BY_ADDRESS[name])
