"""The token contract: a name and a password, messages, and a balance that they are paid from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from api.accounts import check_password
from api.auth import caller
from api.bodies import Text, read
from api.contracts.accounts import account_made, user_known
from api.contracts.schema import ContractSerializer, described
from api.contracts.views import ContractView, OpenView, Speaking, error_body, refused
from api.signing_in import signed_in
from api.tokens import TokensShape, pair_of
from pipelines.accounts.models import User
from pipelines.chat.models import Message
from pipelines.chat.services import turn_accept
from pipelines.core.errors import InsufficientCredits
from pipelines.credits.services import account_meter, account_open


class CredentialsBody(ContractSerializer):
    """A name and a password."""

    username = Text(max_length=150)
    password = Text(trim_whitespace=False, max_length=4096)


class ReplyShape(ContractSerializer):
    """A message, and the reply to it."""

    user = serializers.CharField(help_text="The account's id.")
    message = serializers.CharField()
    response = serializers.CharField()
    timestamp = serializers.DateTimeField()


class BalanceShape(ContractSerializer):
    """What can be spent."""

    tokens = serializers.IntegerField()


def register(data: Mapping[str, Any]) -> Response:
    """Make an account that pays for its turns."""
    body = read(CredentialsBody, data)
    check_password(body["password"], User(username=body["username"]))
    with transaction.atomic():
        account_meter(owner=account_made(**body))
    return Response({"message": "User created successfully"}, status=201)


def chat(view: Speaking, request: Request) -> HttpResponse:
    """Answer a message, which begins a conversation of its own."""
    user, message = caller(request), dict(request.data).get("message")
    if not isinstance(message, str) or not message.strip():
        return refused("Message is required", "empty")

    def show(said: Message, reply: Message) -> dict[str, Any]:
        return {
            "user": str(user.pk),
            "message": said.content,
            "response": reply.content,
            "timestamp": reply.created_at,
        }

    try:
        return view.said(request, lambda: turn_accept(owner=user, message=message), show)
    except InsufficientCredits as error:
        return refused("Insufficient tokens", error.error_code)


class Login(OpenView):
    """Signing in."""

    @described("tokens_login", {200: TokensShape}, request=CredentialsBody)
    def post(self, request: Request) -> Response:
        """Exchange a password for a pair of tokens."""
        body = read(CredentialsBody, request.data)
        try:
            user = user_known(request, body["username"], body["password"])
        except AuthenticationFailed as error:
            return Response(error_body(str(error.detail), code="wrong_credentials"), status=400)
        return Response(pair_of(signed_in(request, user)))


class Tokens(ContractView):
    """The balance."""

    @described("tokens_balance", {200: BalanceShape})
    def get(self, request: Request) -> Response:
        """Say what can be spent."""
        return Response({"tokens": account_open(owner_id=caller(request).pk).amount})
