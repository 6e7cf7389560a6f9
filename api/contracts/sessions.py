"""The session contract: `Authorization: Token …`, and chats that are called sessions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from api.accounts import check_password
from api.auth import caller
from api.bodies import Text, read
from api.contracts.accounts import account_made, user_known
from api.contracts.schema import ContractSerializer, DoneShape, PendingShape, described
from api.contracts.views import ContractView, OpenView, Speaking
from api.signing_in import sign_out, signed_in
from pipelines.accounts.models import User
from pipelines.api_keys.services import sign_in_token_create
from pipelines.chat import selectors
from pipelines.chat.models import Message, Role
from pipelines.chat.services import turn_accept


class RegistrationBody(ContractSerializer):
    """A new account, with its password typed twice."""

    username = Text(max_length=150)
    email = serializers.EmailField(max_length=150)
    password1 = Text(trim_whitespace=False, max_length=4096)
    password2 = Text(trim_whitespace=False, max_length=4096)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Demand that both passwords are the same, and good."""
        about = {"username": attrs["username"], "email": attrs["email"]}
        if attrs["password1"] != attrs["password2"]:
            raise serializers.ValidationError({"password2": "The passwords differ."}, "mismatch")
        check_password(attrs["password1"], User(**about), "password1")
        return {**about, "password": attrs["password1"]}


class LoginBody(ContractSerializer):
    """Who signs in."""

    username = Text(max_length=254)
    password = Text(trim_whitespace=False, max_length=4096)


class RegisteredShape(ContractSerializer):
    """What was made."""

    message = serializers.CharField()
    username = serializers.CharField()
    email = serializers.EmailField()


class TokenShape(ContractSerializer):
    """What to show as `Authorization: Token …`."""

    token = serializers.CharField()
    username = serializers.CharField()


class MessageBody(ContractSerializer):
    """A message, in a session or in a new one."""

    session_id = serializers.UUIDField(required=False, allow_null=True)
    message = Text(trim_whitespace=False, allow_blank=True)


class ReplyShape(ContractSerializer):
    """The reply, and the session to continue in."""

    session_id = serializers.UUIDField()
    message = serializers.CharField()


class SessionShape(ContractSerializer):
    """One session."""

    session_id = serializers.UUIDField(source="id")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class SessionsShape(ContractSerializer):
    """The sessions, newest first."""

    sessions = SessionShape(many=True)


class SessionMessageShape(ContractSerializer):
    """One message of a session."""

    role = serializers.ChoiceField(choices=Role.choices)
    message = serializers.CharField(source="content")
    timestamp = serializers.DateTimeField(source="created_at")


class WholeSessionShape(ContractSerializer):
    """A session with its messages, oldest first."""

    session_id = serializers.UUIDField()
    messages = SessionMessageShape(many=True)


class Register(OpenView):
    """Registration."""

    throttles = ("register",)

    @described("sessions_register", {201: RegisteredShape}, request=RegistrationBody)
    def post(self, request: Request) -> Response:
        """Make an account."""
        body = read(RegistrationBody, request.data)
        user = account_made(**body)
        made = {"message": "User registered successfully", "username": user.username}
        return Response({**made, "email": user.email}, status=201)


class Login(OpenView):
    """Signing in."""

    @described("sessions_login", {200: TokenShape}, request=LoginBody)
    def post(self, request: Request) -> Response:
        """Exchange a password for a token."""
        body = read(LoginBody, request.data)
        user = user_known(request, body["username"], body["password"])
        _, text = sign_in_token_create(owner=signed_in(request, user))
        return Response({"token": text, "username": user.username})


class Logout(ContractView):
    """Signing out."""

    # Whatever a token may do, it may end itself.
    permission_classes = [IsAuthenticated]

    @described("sessions_logout", {200: DoneShape}, request=None)
    def post(self, request: Request) -> Response:
        """Make the token void that the request shows."""
        response = Response({"message": "Logged out successfully"})
        sign_out(request, response)
        return response


class Chat(Speaking):
    """Messages."""

    @described(
        "sessions_chat",
        {200: ReplyShape, 202: PendingShape},
        request=MessageBody,
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer a message."""
        user, body = caller(request), read(MessageBody, request.data)

        def show(said: Message, reply: Message) -> dict[str, Any]:
            return {"session_id": str(said.conversation_id), "message": reply.content}

        return self.said(
            request,
            lambda: turn_accept(
                owner=user, message=body["message"], conversation_id=body.get("session_id")
            ),
            show,
            where="session_id",
        )


class Sessions(ContractView):
    """The own sessions."""

    @described("sessions_list", {200: SessionsShape})
    def get(self, request: Request) -> Response:
        """List the own sessions, newest first."""
        own = selectors.conversations_of(caller(request))[: settings.CONTRACT_LIST_MAX]
        return Response({"sessions": SessionShape(own, many=True).data})


class SessionView(ContractView):
    """One session."""

    @described("sessions_get", {200: WholeSessionShape})
    def get(self, request: Request, session_id: UUID) -> Response:
        """Read a session's messages."""
        found = selectors.conversation_get(caller(request), session_id)
        messages = selectors.messages_latest(found, settings.CONTRACT_LIST_MAX)
        shown = SessionMessageShape(messages, many=True).data
        return Response({"session_id": str(found.pk), "messages": shown})
