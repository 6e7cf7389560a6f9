"""Accounts: register, verify the address, choose a password, read and change the own one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.auth import caller
from api.bodies import JsonObject, Text, read
from api.idempotency import Creating
from api.open import Open
from api.privacy import Erasing
from api.schema import Detail, operation
from api.signing_in import password_chosen
from pipelines.accounts import selectors, services
from pipelines.accounts.models import User
from pipelines.letters.services import known_send, letter_request, verification_send

REGISTERED = "Thank you. An e-mail is on its way to this address; follow the link in it."
VERIFIED = "This e-mail address is verified."
WRITTEN_TO = "If there is an account of this address, an e-mail is on its way to it."
CHOSEN = "The new password is in force."


class ProfileFields(serializers.Serializer[Any]):
    """What a person says about themselves."""

    first_name = Text(max_length=150, allow_blank=True, required=False)
    last_name = Text(max_length=150, allow_blank=True, required=False)
    company_name = Text(max_length=200, allow_blank=True, required=False)
    company_size = Text(max_length=50, allow_blank=True, required=False)
    industry = Text(max_length=100, allow_blank=True, required=False)
    job_title = Text(max_length=100, allow_blank=True, required=False)


class RegistrationBody(ProfileFields):
    """A new account."""

    # No longer than a username, because it serves as one too.
    email = serializers.EmailField(max_length=150)
    password = Text(trim_whitespace=False, max_length=4096)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Hold the password against the validators, which also compare it with the rest."""
        fields = {name: value for name, value in attrs.items() if name != "password"}
        check_password(attrs["password"], User(**fields))
        return attrs


def check_password(password: str, user: User | None = None, field: str = "password") -> None:
    """Hold a password against AUTH_PASSWORD_VALIDATORS; ValidationError names what is wrong."""
    try:
        validate_password(password, user)
    except DjangoValidationError as error:
        problems = [
            serializers.ErrorDetail(message, part.code or "invalid")
            for part in error.error_list
            for message in part.messages
        ]
        raise serializers.ValidationError({field: problems}) from error


class AddressBody(serializers.Serializer[Any]):
    """Whom to write to."""

    email = serializers.EmailField(max_length=150)


class ResetBody(serializers.Serializer[Any]):
    """A password that is chosen by a link."""

    token = Text(max_length=1024)
    password = Text(trim_whitespace=False, max_length=4096)


class PasswordBody(serializers.Serializer[Any]):
    """A password in the place of another."""

    old_password = Text(trim_whitespace=False, max_length=4096)
    new_password = Text(trim_whitespace=False, max_length=4096)


class Preferences(JsonObject):
    """A person's own settings; of these, `provider` and `model` mean something to the chat."""

    default_error_messages = {
        "provider": "The provider must be one of: {names}.",
        "model": "The model is the name of one, as text of at most 128 characters.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Refuse an unknown provider; otherwise as its parent does."""
        value = super().to_internal_value(data)
        if "provider" in value and value["provider"] not in [*settings.PROVIDERS]:
            self.fail("provider", names=", ".join(settings.PROVIDERS))
        model = value.get("model", "")
        if not isinstance(model, str) or len(model) > 128:
            self.fail("model")
        return value


class AccountBody(ProfileFields):
    """What may be changed of an account."""

    bio = Text(max_length=500, allow_blank=True, required=False)
    preferences = Preferences(required=False)


class AccountShape(AccountBody):
    """An account, as its owner sees it."""

    id = serializers.UUIDField(read_only=True)
    username = serializers.CharField(read_only=True)
    email = serializers.CharField(read_only=True, help_text="Empty where none was given.")
    email_verified = serializers.BooleanField(read_only=True)
    date_joined = serializers.DateTimeField(read_only=True)


class Accounts(Creating, Open):
    """Registration."""

    throttles = ("register",)

    @operation("accounts_register", {202: Detail}, request=RegistrationBody)
    def post(self, request: Request) -> Response:
        """Register; the answer and the work are the same whether the address is known or not."""
        fields = read(RegistrationBody, request.data)
        register(fields.pop("email"), fields.pop("password"), fields)
        return Response({"detail": REGISTERED}, status=202)


@transaction.atomic
def register(email: str, password: str, fields: Mapping[str, Any] | None = None) -> None:
    """Make an account, and write to its address; to one that is known, that it is."""
    user = services.account_register(email=email, password=password, fields=fields)
    if user is not None:
        verification_send(user=user)
    elif (known := selectors.user_by_email(email)) is not None:
        known_send(user=known)


class Verification(Creating):
    """Showing that an address is one's own."""

    throttles = ("mail",)

    def get_authenticators(self) -> list[Any]:
        """Let the link work in any browser, whatever else that sends."""
        return [] if self._is_link() else super().get_authenticators()

    def get_permissions(self) -> list[Any]:
        """Ask nothing but the token of whoever follows the link."""
        return [AllowAny()] if self._is_link() else [*super().get_permissions()]

    def _is_link(self) -> bool:
        request: Request | None = self.request  # None while OpenAPI's description is written
        return request is not None and request.method == "GET"

    @operation(
        "accounts_verify",
        {200: Detail},
        parameters=[OpenApiParameter("token", str, required=True)],
        auth=[],
    )
    def get(self, request: Request) -> Response:
        """Verify the address by the link that was sent to it."""
        services.email_verify(token=request.query_params.get("token", ""))
        return Response({"detail": VERIFIED})

    @operation("accounts_send_verification", {202: Detail}, request=None)
    def post(self, request: Request) -> Response:
        """Send another link to the own address, unless it is verified."""
        if not (user := caller(request)).email_verified:
            verification_send(user=user)
        return Response({"detail": REGISTERED}, status=202)


class SignInLinks(Creating, Open):
    """Signing in without a password."""

    throttles = ("mail",)

    @operation("accounts_send_sign_in_link", {202: Detail}, request=AddressBody)
    def post(self, request: Request) -> Response:
        """Send a link to sign in by, if the address has an account; the answer tells neither."""
        return _written_to(request, "sign_in")


class PasswordReset(Creating, Open):
    """Another password for whoever has forgotten it."""

    throttles = ("mail",)

    @operation("accounts_send_reset_link", {202: Detail}, request=AddressBody)
    def post(self, request: Request) -> Response:
        """Send a link to choose a password by, if the address has an account."""
        return _written_to(request, "reset")


def _written_to(request: Request, letter: str) -> Response:
    letter_request(name=letter, email=read(AddressBody, request.data)["email"])
    return Response({"detail": WRITTEN_TO}, status=202)


class PasswordByLink(Open):
    """Choosing a password by a link."""

    @operation("accounts_reset_password", {200: Detail}, request=ResetBody)
    def post(self, request: Request) -> Response:
        """Choose a password; all that was given out for the old one is void."""
        body = read(ResetBody, request.data)
        check_password(body["password"])
        password_chosen(**body)
        return Response({"detail": CHOSEN})


class Password(APIView):
    """The own password."""

    scope = None
    throttles = ("sign_in",)

    @operation("accounts_change_password", {200: Detail}, request=PasswordBody)
    def put(self, request: Request) -> Response:
        """Change the own password; all that was given out for the old one is void."""
        user, body = caller(request), read(PasswordBody, request.data)
        check_password(body["new_password"], user, "new_password")
        services.password_change(user=user, old=body["old_password"], new=body["new_password"])
        return Response({"detail": CHOSEN})


class Me(Erasing):
    """The own account."""

    @operation("accounts_me", {200: AccountShape})
    def get(self, request: Request) -> Response:
        """Read the own account."""
        return Response(AccountShape(caller(request)).data)

    @operation("accounts_update_me", {200: AccountShape}, request=AccountBody)
    def patch(self, request: Request) -> Response:
        """Change the own account."""
        fields = read(AccountBody, request.data, partial=True)
        return Response(
            AccountShape(services.account_update(user=caller(request), fields=fields)).data
        )
