"""What the contracts' registrations and sign-ins share.

Their own texts say that a name is taken; Turnpike's own routes never do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from api.signing_in import user_by_password
from pipelines.accounts.selectors import user_by_email
from pipelines.accounts.services import account_register
from pipelines.core.errors import InvalidInput
from pipelines.letters.services import verification_send

if TYPE_CHECKING:
    from pipelines.accounts.models import User


class NameTaken(InvalidInput):
    """Somebody has this name already."""

    code = "name_taken"
    status = 400


@transaction.atomic
def account_made(*, username: str, password: str, email: str = "") -> User:
    """Make an account, and write to its address if it has one; NameTaken when it is known."""
    user = account_register(username=username, email=email, password=password)
    if user is None:
        field = "email" if email and user_by_email(email) is not None else "username"
        raise NameTaken(f"{field.capitalize()} already exists", field=field)
    if email:
        verification_send(user=user)
    return user


def user_known(request: Request, name: str, password: str) -> User:
    """Return the account of a name; AuthenticationFailed, in the contracts' words, without one."""
    try:
        return user_by_password(request, name, password)
    except AuthenticationFailed as error:
        raise AuthenticationFailed("Invalid credentials", "wrong_credentials") from error
