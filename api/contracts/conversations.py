"""The conversation contract: a session with CSRF or a token, conversations and their messages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.middleware.csrf import get_token
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from api.accounts import AccountBody, AccountShape
from api.auth import caller, django_request
from api.bodies import Text, read
from api.contracts import accounts
from api.contracts.accounts import account_made, user_known
from api.contracts.schema import ContractSerializer, DoneShape, PendingShape, described
from api.contracts.views import ContractView, OpenView, Speaking
from api.signing_in import session_open, sign_out
from api.tokens import SignInBody
from pipelines.accounts.models import User
from pipelines.accounts.services import account_update
from pipelines.api_keys.services import sign_in_token_create
from pipelines.chat import selectors, services
from pipelines.chat.models import Conversation, Message, Role


class RegistrationBody(accounts.RegistrationBody):
    """A new account, which may do without an address."""

    email = serializers.EmailField(max_length=150, required=False, allow_blank=True, default="")


class SignedInShape(ContractSerializer):
    """Who has signed in, a token, and what forms of the session show."""

    user = AccountShape()
    token = serializers.CharField()
    csrf_token = serializers.CharField()


class CsrfShape(ContractSerializer):
    """What every unsafe request of a session shows as `X-CSRFToken`."""

    csrfToken = serializers.CharField()  # noqa: N815 - as its clients read it


class TitleBody(ContractSerializer):
    """A new conversation."""

    title = Text(max_length=255, allow_blank=True, required=False, default="")
    additional_data = serializers.DictField(required=False, default=dict)


class SaidBody(ContractSerializer):
    """What is said: `content`, or `message`."""

    content = Text(trim_whitespace=False, allow_blank=True, required=False)
    message = Text(trim_whitespace=False, allow_blank=True, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Demand one of the two."""
        if not attrs:
            raise serializers.ValidationError({"content": "This field is required."}, "required")
        return {"message": attrs.get("content", attrs.get("message"))}


class MessageShape(ContractSerializer):
    """One message."""

    id = serializers.UUIDField()
    role = serializers.ChoiceField(choices=Role.choices)
    content = serializers.CharField()
    created_at = serializers.DateTimeField()
    additional_data = serializers.DictField(source="metadata")


class ConversationShape(ContractSerializer):
    """A conversation."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    additional_data = serializers.DictField(source="metadata")


class WholeConversationShape(ConversationShape):
    """A conversation with its messages, oldest first."""

    messages = MessageShape(many=True)


class ExchangeShape(ContractSerializer):
    """What was said, and the reply."""

    user_message = MessageShape()
    assistant_message = MessageShape()


class Csrf(OpenView):
    """The CSRF token."""

    @described("conversations_csrf", {200: CsrfShape})
    def get(self, request: Request) -> Response:
        """Set the cookie, and say what to show beside it."""
        return Response({"csrfToken": get_token(django_request(request))})


class Register(OpenView):
    """Registration."""

    throttles = ("register",)

    @described("conversations_register", {201: SignedInShape}, request=RegistrationBody)
    def post(self, request: Request) -> Response:
        """Make an account, and sign it in."""
        body = read(RegistrationBody, request.data)
        return Response(_signed_in(request, account_made(**body)), status=201)


class Login(OpenView):
    """Signing in."""

    @described("conversations_login", {200: SignedInShape}, request=SignInBody)
    def post(self, request: Request) -> Response:
        """Open a session, and return a token for whoever keeps no cookies."""
        user = user_known(request, **read(SignInBody, request.data))
        return Response(_signed_in(request, user))


def _signed_in(request: Request, user: User) -> dict[str, Any]:
    csrf = session_open(django_request(request), user)
    _, token = sign_in_token_create(owner=user)
    return {"user": AccountShape(user).data, "token": token, "csrf_token": csrf}


class Logout(ContractView):
    """Signing out."""

    # Whatever a token may do, it may end itself.
    permission_classes = [IsAuthenticated]

    @described("conversations_logout", {200: DoneShape}, request=None)
    def post(self, request: Request) -> Response:
        """End the session, or make the token void that the request shows."""
        response = Response({"message": "Logged out successfully"})
        sign_out(request, response)
        return response


class Profile(ContractView):
    """The own account."""

    @described("conversations_profile", {200: AccountShape})
    def get(self, request: Request) -> Response:
        """Read the own account."""
        return Response(AccountShape(caller(request)).data)

    @described("conversations_change_profile", {200: AccountShape}, request=AccountBody)
    def patch(self, request: Request) -> Response:
        """Change the own account: its bio, its preferences with the chosen model."""
        fields = read(AccountBody, request.data, partial=True)
        return Response(AccountShape(account_update(user=caller(request), fields=fields)).data)


class Conversations(ContractView):
    """The own conversations."""

    @described("conversations_list", {200: ConversationShape(many=True)})
    def get(self, request: Request) -> Response:
        """List the own conversations, newest first."""
        own = selectors.conversations_of(caller(request))[: settings.CONTRACT_LIST_MAX]
        return Response(ConversationShape(own, many=True).data)

    @described("conversations_create", {201: ConversationShape}, request=TitleBody)
    def post(self, request: Request) -> Response:
        """Open a conversation."""
        body = read(TitleBody, request.data)
        made = services.conversation_create(
            owner=caller(request), title=body["title"], metadata=body["additional_data"]
        )
        return Response(ConversationShape(made).data, status=201)


class ConversationView(ContractView):
    """One conversation."""

    @described("conversations_get", {200: WholeConversationShape})
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """Read a conversation with its messages."""
        found = _own(request, conversation_id)
        messages = selectors.messages_latest(found, settings.CONTRACT_LIST_MAX)
        shown = MessageShape(messages, many=True).data
        return Response({**ConversationShape(found).data, "messages": shown})

    @described("conversations_delete", {204: None})
    def delete(self, request: Request, conversation_id: UUID) -> Response:
        """Delete a conversation; what is under way in it is cancelled."""
        services.conversation_delete(conversation=_own(request, conversation_id))
        return Response(status=204)


class Messages(Speaking):
    """Messages in a conversation."""

    @described(
        "conversations_say",
        {200: ExchangeShape, 202: PendingShape},
        request=SaidBody,
    )
    def post(self, request: Request, conversation_id: UUID) -> HttpResponse:
        """Answer a message."""
        user, body = caller(request), read(SaidBody, request.data)

        def show(said: Message, reply: Message) -> dict[str, Any]:
            return {
                "user_message": MessageShape(said).data,
                "assistant_message": MessageShape(reply).data,
            }

        return self.said(
            request,
            lambda: services.turn_accept(owner=user, conversation_id=conversation_id, **body),
            show,
        )


def _own(request: Request, conversation_id: UUID) -> Conversation:
    return selectors.conversation_get(caller(request), conversation_id)
