"""Tokens: sign in, refresh, revoke."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import RefreshToken

from api.auth import django_request
from api.bodies import Text, read
from api.schema import operation


class SignInBody(serializers.Serializer[Any]):
    """Who signs in: by address or by name."""

    email = Text(required=False, max_length=254)
    username = Text(required=False, max_length=254)
    password = Text(trim_whitespace=False, max_length=4096)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Demand one of the two names."""
        if not {"email", "username"} & attrs.keys():
            raise serializers.ValidationError(
                {"email": "Give an e-mail address or a username."}, code="required"
            )
        return attrs


class RefreshBody(serializers.Serializer[Any]):
    """A refresh token."""

    refresh = Text(max_length=8192)


class TokensShape(serializers.Serializer[Any]):
    """A new pair of tokens."""

    access = serializers.CharField()
    refresh = serializers.CharField()


class _Open(APIView):
    """A view whose credential is in the body."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def get_authenticate_header(self, request: Request) -> str:
        """Name the scheme that a refused caller is to use, without which a 401 would be a 403."""
        return 'Bearer realm="api"'


class Tokens(_Open):
    """Signing in."""

    @operation("tokens_create", {200: TokensShape}, request=SignInBody)
    def post(self, request: Request) -> Response:
        """Exchange a password for tokens."""
        body = read(SignInBody, request.data)
        name = body.get("email") or body.get("username")
        user = authenticate(
            request=django_request(request), username=name, password=body["password"]
        )
        if user is None:
            raise AuthenticationFailed(
                "There is no such account, or the password is wrong.", "wrong_credentials"
            )
        update_last_login(type(user), user)
        return Response(_pair(user))


class TokenRefresh(_Open):
    """Staying signed in."""

    @operation("tokens_refresh", {200: TokensShape}, request=RefreshBody)
    def post(self, request: Request) -> Response:
        """Exchange a refresh token, once, for a new pair."""
        refresh = _refresh_token(request)
        user = JWTAuthentication().get_user(refresh)
        # simplejwt's annotation forgets that this is what get_or_create returns.
        _, is_first = cast("tuple[object, bool]", refresh.blacklist())
        if not is_first:
            raise InvalidToken("This token was used already.")
        return Response(_pair(user))


class TokenRevoke(_Open):
    """Signing out."""

    @operation("tokens_revoke", {204: None}, request=RefreshBody)
    def post(self, request: Request) -> Response:
        """Make a refresh token void."""
        _refresh_token(request).blacklist()
        return Response(status=204)


def _refresh_token(request: Request) -> RefreshToken:
    try:
        return RefreshToken(read(RefreshBody, request.data)["refresh"])
    except TokenError as error:
        raise InvalidToken(str(error)) from error


def _pair(user: Any) -> dict[str, str]:
    refresh = RefreshToken.for_user(user)
    return {"access": str(refresh.access_token), "refresh": str(refresh)}
