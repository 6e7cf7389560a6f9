"""What the contracts' registrations and sign-ins share.

Their own texts say that a name is taken; Turnpike's own routes never do.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from api.accounts import check_password
from api.bodies import Text
from api.contracts.schema import ContractSerializer
from api.signing_in import user_by_password
from pipelines.accounts.models import User
from pipelines.accounts.selectors import user_by_email
from pipelines.accounts.services import account_register
from pipelines.core.errors import InvalidInput
from pipelines.letters.services import verification_send


class NameTaken(InvalidInput):
    """Somebody has this name already."""

    code = "name_taken"
    status = 400


class RegistrationBody(ContractSerializer):
    """A new account."""

    username = Text(max_length=150)
    email = serializers.EmailField(max_length=150)
    password = Text(trim_whitespace=False, max_length=4096)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Demand a good password."""
        check_password(attrs["password"], User(username=attrs["username"], email=attrs["email"]))
        return attrs


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
