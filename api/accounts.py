"""Accounts: register, verify the address, read and change the own one."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
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
from api.schema import Detail, operation
from api.welcome import send_already_registered, send_verification
from pipelines.accounts import selectors, services

REGISTERED = "Thank you. An e-mail is on its way to this address; follow the link in it."
VERIFIED = "This e-mail address is verified."


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
        password = attrs["password"]
        fields = {name: value for name, value in attrs.items() if name != "password"}
        try:
            validate_password(password, get_user_model()(**fields))
        except DjangoValidationError as error:
            problems = [
                serializers.ErrorDetail(message, part.code or "invalid")
                for part in error.error_list
                for message in part.messages
            ]
            raise serializers.ValidationError({"password": problems}) from error
        return attrs


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
    email = serializers.EmailField(read_only=True)
    email_verified = serializers.BooleanField(read_only=True)
    date_joined = serializers.DateTimeField(read_only=True)


class Accounts(Creating):
    """Registration."""

    authentication_classes = []
    permission_classes = [AllowAny]

    @operation("accounts_register", {202: Detail}, request=RegistrationBody)
    def post(self, request: Request) -> Response:
        """Register; the answer and the work are the same whether the address is known or not."""
        fields = read(RegistrationBody, request.data)
        email, password = fields.pop("email"), fields.pop("password")
        with transaction.atomic():
            user = services.account_register(email=email, password=password, fields=fields)
            if user is not None:
                send_verification(user)
            elif (known := selectors.user_by_email(email)) is not None:
                send_already_registered(known)
        return Response({"detail": REGISTERED}, status=202)


class Verification(Creating):
    """Showing that an address is one's own."""

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
            send_verification(user)
        return Response({"detail": REGISTERED}, status=202)


class Me(APIView):
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
