"""Writes to accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import update_last_login
from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.accounts import links
from pipelines.accounts.models import User
from pipelines.core.errors import InvalidInput

log = structlog.get_logger(__name__)


def account_register(
    *,
    email: str,
    password: str | None,
    username: str = "",
    fields: Mapping[str, Any] | None = None,
) -> User | None:
    """Create an account; None when the address or the name is taken.

    The password is hashed in either case, so that time does not tell which it was. Without one
    the account is entered by links that are sent to its address.
    """
    hashed = make_password(password)
    if email and User.objects.filter(email__iexact=email).exists():
        return None
    try:
        with transaction.atomic():
            return User.objects.create(
                username=username or email, email=email, password=hashed, **dict(fields or {})
            )
    except IntegrityError:
        return None


def account_lock(*, user: User) -> User:
    """Have two writes that count what an account has come one after the other; return it afresh."""
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def account_update(*, user: User, fields: Mapping[str, Any]) -> User:
    """Change what a person may change of the own account."""
    for name, value in fields.items():
        setattr(user, name, value)
    user.save(update_fields=[*fields, "date_modified"])
    return user


@transaction.atomic
def email_verify(*, token: str) -> User:
    """Mark the address of a link as verified; InvalidInput when the link is no good."""
    return _verified(links.user_by_token(token, links.VERIFY))


@transaction.atomic
def link_sign_in(*, token: str) -> User:
    """Use up a link to sign in by, and return whose it is; InvalidInput when it is no good."""
    user = links.user_by_token(token, links.SIGN_IN)
    update_last_login(User, user)
    return _verified(user)


@transaction.atomic
def password_reset(*, token: str, password: str) -> User:
    """Give the account of a link another password; InvalidInput when the link is no good.

    All that was given out for the old one is void: tokens, and sessions in a browser.
    """
    user = links.user_by_token(token, links.RESET)
    password_set(user=user, password=password)
    return _verified(user)


def password_set(*, user: User, password: str) -> None:
    """Give an account another password."""
    user.set_password(password)
    user.save(update_fields=["password", "date_modified"])
    log.info("account.password_set", account=str(user.pk))


def password_change(*, user: User, old: str, new: str) -> None:
    """Change the own password; InvalidInput when the old one is wrong."""
    check_own_password(user, old, field="old_password")
    password_set(user=user, password=new)


def check_own_password(user: User, password: str, *, field: str) -> None:
    """Raise InvalidInput, which names the field, unless it is the account's password."""
    if not user.check_password(password):
        raise InvalidInput("This is not the password.", code="wrong_password", field=field)


@transaction.atomic
def sign_in_end(*, user: User, sign_in: str, until: float) -> None:
    """Have no JWT of a sign-in be good any longer.

    Args:
        user: Whose it is.
        sign_in: Its name in the tokens.
        until: When the last of its tokens has expired, in seconds since 1970.
    """
    locked = account_lock(user=user)
    now = timezone.now().timestamp()
    alive = {key: end for key, end in locked.ended_sign_ins.items() if end > now}
    locked.ended_sign_ins = alive | {sign_in: until}
    locked.save(update_fields=["ended_sign_ins"])


def _verified(user: User) -> User:
    """Note that a link was followed, which only the address's owner has."""
    if user.email_verified_at is None:
        user.email_verified_at = timezone.now()
        user.save(update_fields=["email_verified_at"])
    return user
