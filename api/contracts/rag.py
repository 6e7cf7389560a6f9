"""The RAG contract: accounts with JWT, a chat over the knowledge base, conversations, its pages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from api.accounts import AccountShape
from api.auth import caller, django_request
from api.bodies import Text, read
from api.chat import MessageShape, TitleBody, renamed
from api.contracts.accounts import RegistrationBody, account_made, user_known
from api.contracts.schema import ContractSerializer, DoneShape, PendingShape, described
from api.contracts.views import ContractView, OpenView, Speaking
from api.pages import accounts as pages
from api.signing_in import signed_in
from api.tokens import SignInBody, pair_of
from pipelines.accounts.services import email_verify
from pipelines.chat import selectors, services
from pipelines.chat.models import Conversation, Message


class UserShape(ContractSerializer):
    """An account, in short."""

    id = serializers.UUIDField()
    username = serializers.CharField()
    email = serializers.CharField(help_text="Empty where none was given.")
    email_verified = serializers.BooleanField()


class SignedUpShape(ContractSerializer):
    """What was made."""

    message = serializers.CharField()
    user = UserShape()


class SignedInShape(ContractSerializer):
    """A pair of tokens, and whose they are."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    user = UserShape()


class MessageBody(ContractSerializer):
    """A message, in a conversation or in a new one."""

    message = Text(trim_whitespace=False, allow_blank=True)
    conversation_id = serializers.UUIDField(required=False, allow_null=True)


class ReplyShape(ContractSerializer):
    """A message, and the reply to it."""

    conversation_id = serializers.UUIDField()
    message = serializers.CharField()
    response = serializers.CharField(allow_null=True, help_text="Null where there is none yet.")
    citations = serializers.ListField(child=serializers.DictField())
    timestamp = serializers.DateTimeField()


class HistoryShape(ContractSerializer):
    """What was said and replied, oldest first."""

    history = ReplyShape(many=True)


class ConversationShape(ContractSerializer):
    """A conversation."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ConversationsShape(ContractSerializer):
    """Conversations, newest first."""

    conversations = ConversationShape(many=True)


class WholeConversationShape(ConversationShape):
    """A conversation with its messages."""

    messages = MessageShape(many=True)


class HowShape(ContractSerializer):
    """What to send here."""

    method = serializers.CharField()
    # A declared field leaves the serializer's own attribute of this name alone.
    fields = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]


class SignUp(OpenView):
    """Signing up."""

    throttles = ("register",)

    @described("rag_signup_page", {200: HowShape})
    def get(self, request: Request) -> HttpResponseBase:
        """Show the page to a browser, and to others what to send."""
        if _prefers_page(request):
            return pages.sign_up(django_request(request))
        return Response({"method": "POST", "fields": ["username", "email", "password"]})

    @described("rag_signup", {201: SignedUpShape}, request=RegistrationBody)
    def post(self, request: Request) -> Response:
        """Make an account, and send the link that verifies its address."""
        user = account_made(**read(RegistrationBody, request.data))
        message = "User registered successfully. Please check your email to verify your account."
        return Response({"message": message, "user": UserShape(user).data}, status=201)


class Login(OpenView):
    """Signing in."""

    @described("rag_login_page", {200: HowShape})
    def get(self, request: Request) -> HttpResponseBase:
        """Show the page to a browser, and to others what to send."""
        if _prefers_page(request):
            return pages.SignIn.as_view()(django_request(request))
        return Response({"method": "POST", "fields": ["username", "password"]})

    @described("rag_login", {200: SignedInShape}, request=SignInBody)
    def post(self, request: Request) -> Response:
        """Exchange a password for a pair of tokens."""
        user = user_known(request, **read(SignInBody, request.data))
        return Response({**pair_of(signed_in(request, user)), "user": UserShape(user).data})


class Profile(ContractView):
    """The own account."""

    def get_permissions(self) -> list[Any]:
        """Let the page itself ask a browser to sign in."""
        request: Request | None = self.request  # None while OpenAPI's description is written
        is_page = request is not None and _prefers_page(request)
        return [AllowAny()] if is_page else [*super().get_permissions()]

    @described("rag_profile", {200: AccountShape})
    def get(self, request: Request) -> HttpResponseBase:
        """Read the own account; a browser is sent to its page."""
        if _prefers_page(request):
            return redirect("profile")
        return Response(AccountShape(caller(request)).data)


def _prefers_page(request: Request) -> bool:
    """Whether whoever asks would rather see a page than JSON, as browsers do."""
    accepted = django_request(request).get_preferred_type(["application/json", "text/html"])
    return accepted == "text/html"


class VerifyEmail(OpenView):
    """Showing that an address is one's own."""

    @described("rag_verify_email", {200: DoneShape})
    def get(self, request: Request, token: str) -> Response:
        """Verify the address that a link was sent to."""
        email_verify(token=token)
        return Response({"message": "Email verified successfully"})


class Chat(Speaking):
    """Messages."""

    @described("rag_chat", {200: ReplyShape, 202: PendingShape}, request=MessageBody)
    def post(self, request: Request) -> HttpResponse:
        """Answer a message."""
        user, body = caller(request), read(MessageBody, request.data)
        return self.said(request, lambda: services.turn_accept(owner=user, **body), shown)


def shown(said: Message, reply: Message | None) -> dict[str, Any]:
    """Lay out a message with the reply to it."""
    return {
        "conversation_id": str(said.conversation_id),
        "message": said.content,
        "response": reply.content if reply else None,
        "citations": reply.citations if reply else [],
        "timestamp": (reply or said).created_at,
    }


class History(ContractView):
    """All that was said, whatever the conversation."""

    @described("rag_history", {200: HistoryShape})
    def get(self, request: Request) -> Response:
        """List the last messages with their replies, oldest first."""
        said = selectors.said_by(caller(request), settings.CONTRACT_LIST_MAX)
        return Response({"history": [shown(*pair) for pair in said]})


class Conversations(ContractView):
    """The own conversations."""

    @described("rag_conversations", {200: ConversationsShape})
    def get(self, request: Request) -> Response:
        """List the own conversations, newest first."""
        own = selectors.conversations_of(caller(request))[: settings.CONTRACT_LIST_MAX]
        return Response({"conversations": ConversationShape(own, many=True).data})


class ConversationView(ContractView):
    """One conversation."""

    @described("rag_conversation", {200: WholeConversationShape})
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """Read a conversation with its messages."""
        return Response(whole(selectors.conversation_get(caller(request), conversation_id)))


def whole(conversation: Conversation) -> dict[str, Any]:
    """Lay out a conversation with its last CONTRACT_LIST_MAX messages, oldest first."""
    messages = selectors.messages_latest(conversation, settings.CONTRACT_LIST_MAX)
    return {
        **ConversationShape(conversation).data,
        "messages": MessageShape(messages, many=True).data,
    }


class ConversationDelete(ContractView):
    """Deleting."""

    @described("rag_delete", {200: DoneShape})
    def delete(self, request: Request, conversation_id: UUID) -> Response:
        """Delete a conversation; what is under way in it is cancelled."""
        found = selectors.conversation_get(caller(request), conversation_id)
        services.conversation_delete(conversation=found)
        return Response({"message": "Conversation deleted"})


class ConversationRename(ContractView):
    """Renaming."""

    @described("rag_rename", {200: ConversationShape}, request=TitleBody)
    def put(self, request: Request, conversation_id: UUID) -> Response:
        """Give a conversation another title."""
        return Response(ConversationShape(renamed(request, conversation_id)).data)
