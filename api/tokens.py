"""Tokens: sign in, refresh, revoke."""

from __future__ import annotations

from typing import Any, cast
from uuid import uuid4

from django.db import transaction
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import RefreshToken

from api.auth import SIGN_IN, TokenAuthentication
from api.bodies import Text, read
from api.open import Open
from api.schema import operation
from api.signing_in import signed_in, tokens_end, user_by_password
from pipelines.accounts.models import User
from pipelines.accounts.services import link_sign_in


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
        return {
            "name": attrs.get("email") or attrs.get("username") or "",
            "password": attrs["password"],
        }


class LinkBody(serializers.Serializer[Any]):
    """The token of a link that was sent."""

    token = Text(max_length=1024)


class RefreshBody(serializers.Serializer[Any]):
    """A refresh token."""

    refresh = Text(max_length=8192)


class TokensShape(serializers.Serializer[Any]):
    """A new pair of tokens."""

    access = serializers.CharField()
    refresh = serializers.CharField()


class Tokens(Open):
    """Signing in."""

    @operation("tokens_create", {200: TokensShape}, request=SignInBody)
    def post(self, request: Request) -> Response:
        """Exchange a password for tokens."""
        user = user_by_password(request, **read(SignInBody, request.data))
        return Response(pair_of(signed_in(request, user)))


class TokensByLink(Open):
    """Signing in by a link that was sent."""

    @operation("tokens_create_by_link", {200: TokensShape}, request=LinkBody)
    def post(self, request: Request) -> Response:
        """Exchange the token of a link, once, for tokens."""
        user = link_sign_in(token=read(LinkBody, request.data)["token"])
        return Response(pair_of(signed_in(request, user)))


class TokenRefresh(Open):
    """Staying signed in."""

    @operation("tokens_refresh", {200: TokensShape}, request=RefreshBody)
    def post(self, request: Request) -> Response:
        """Exchange a refresh token, once, for a new pair."""
        refresh = _refresh_token(request)
        user = TokenAuthentication().get_user(refresh)
        # simplejwt's annotation forgets that this is what get_or_create returns.
        _, is_first = cast("tuple[object, bool]", refresh.blacklist())
        if not is_first:
            raise InvalidToken("This token was used already.")
        return Response(pair_of(user, refresh.get(SIGN_IN, "")))


class TokenRevoke(Open):
    """Signing out."""

    @operation("tokens_revoke", {204: None}, request=RefreshBody)
    def post(self, request: Request) -> Response:
        """Make a refresh token void, and every access token of its sign-in."""
        refresh = _refresh_token(request)
        user = TokenAuthentication().get_user(refresh)
        with transaction.atomic():
            refresh.blacklist()
            tokens_end(user, refresh)
        return Response(status=204)


def _refresh_token(request: Request) -> RefreshToken:
    try:
        return RefreshToken(read(RefreshBody, request.data)["refresh"])
    except TokenError as error:
        raise InvalidToken(str(error)) from error


def pair_of(user: User, sign_in: str = "") -> dict[str, str]:
    """Make a pair of tokens for somebody who has signed in, now or at an earlier sign-in."""
    refresh = RefreshToken.for_user(user)
    refresh[SIGN_IN] = sign_in or uuid4().hex
    return {"access": str(refresh.access_token), "refresh": str(refresh)}
