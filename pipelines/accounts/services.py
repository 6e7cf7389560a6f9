"""Writes to accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core import signing
from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.accounts.models import User
from pipelines.core.errors import InvalidInput

_LINK_SALT = "turnpike.accounts.email"


def account_register(
    *, email: str, password: str, username: str = "", fields: Mapping[str, Any] | None = None
) -> User | None:
    """Create an account; None when the address or the name is taken.

    The password is hashed in either case, so that time does not tell which it was.
    """
    hashed = make_password(password)
    name = username or email
    if User.objects.filter(email__iexact=email).exists():
        return None
    try:
        with transaction.atomic():
            return User.objects.create(
                username=name, email=email, password=hashed, **dict(fields or {})
            )
    except IntegrityError:
        return None


def account_update(*, user: User, fields: Mapping[str, Any]) -> User:
    """Change what a person may change of the own account."""
    for name, value in fields.items():
        setattr(user, name, value)
    user.save(update_fields=[*fields, "date_modified"])
    return user


def email_token(user: User) -> str:
    """Make the token of a verification link; it is void once the address is verified or changed."""
    return signing.dumps({"id": str(user.pk), "email": user.email}, salt=_LINK_SALT)


def email_verify(*, token: str) -> User:
    """Mark the address of a token as verified.

    Raises:
        InvalidInput: The token is broken, used, or older than EMAIL_LINK_SECONDS.
    """
    try:
        claim = signing.loads(token, salt=_LINK_SALT, max_age=settings.EMAIL_LINK_SECONDS)
    except signing.BadSignature as error:
        raise InvalidInput("This link is broken or has expired.", code="invalid_link") from error
    user = User.objects.filter(
        pk=claim["id"], email=claim["email"], email_verified_at__isnull=True
    ).first()
    if user is None:
        raise InvalidInput("This link was used already.", code="invalid_link")
    user.email_verified_at = timezone.now()
    user.save(update_fields=["email_verified_at"])
    return user
