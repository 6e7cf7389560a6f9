"""The roadmap contract: somebody registers with a company, is signed in, and talks to an assistant.

Registration opens a session and returns a bearer token. Whose a message is says the credential;
the `user_id` and `email` of a body must name the same person. Whoever is registered already gets
in by a link that is sent to the address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.auth import caller, django_request
from api.bodies import Text, read
from api.contracts.schema import ContractSerializer, described
from api.contracts.views import ContractView, Speaking, refused
from api.signing_in import session_open
from api.tokens import pair_of
from pipelines.accounts.models import User
from pipelines.accounts.services import account_register
from pipelines.chat.models import Conversation, Message
from pipelines.chat.selectors import conversations_with
from pipelines.chat.services import Turn, conversation_create, turn_accept
from pipelines.letters.services import letter_request, verification_send

_MARK = {"contract": "roadmap"}


class RegistrationBody(ContractSerializer):
    """A person, and their company."""

    email = serializers.EmailField(max_length=150)
    firstName = Text(max_length=150, source="first_name")  # noqa: N815 - the contract's name
    lastName = Text(max_length=150, source="last_name", required=False, allow_blank=True)  # noqa: N815 - likewise
    companyName = Text(max_length=200, source="company_name", required=False, allow_blank=True)  # noqa: N815 - likewise
    companySize = Text(max_length=50, source="company_size", required=False, allow_blank=True)  # noqa: N815 - likewise
    industry = Text(max_length=100, required=False, allow_blank=True)
    jobTitle = Text(max_length=100, source="job_title", required=False, allow_blank=True)  # noqa: N815 - likewise


class ThreadShape(ContractSerializer):
    """One thread."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ThreadsShape(ContractSerializer):
    """The threads, newest first."""

    threads = ThreadShape(many=True)


def register(request: Request, data: Mapping[str, Any]) -> Response:
    """Make an account and sign it in; a known address is written to instead."""
    fields = read(RegistrationBody, data)
    email = fields.pop("email")
    with transaction.atomic():
        user = account_register(email=email, password=None, fields=fields)
        if user is None:
            letter_request(name="sign_in", email=email)
            sentence = "This address is registered: a link to sign in is on its way to it."
            return Response({"message": sentence}, status=202)
        verification_send(user=user)
    token = session_open(django_request(request), user)
    body = {
        "message": "User registered successfully",
        "user_id": str(user.pk),
        "email": user.email,
        "csrf_token": token,
        "token": pair_of(user)["access"],
    }
    return Response(body, status=201)


def chat(view: Speaking, request: Request) -> HttpResponse:
    """Answer a message in the caller's newest thread."""
    user, given = caller(request), dict(request.data)
    message = given.get("message")
    if not _names(user, given):
        return refused("This is not who is signed in.", "permission_denied", 403)
    if not isinstance(message, str) or not message.strip():
        return refused("Message is required", "empty")

    def accept() -> Turn:
        with transaction.atomic():
            thread = _thread(user)
            return turn_accept(owner=user, message=message, conversation_id=thread.pk)

    def show(said: Message, reply: Message) -> dict[str, Any]:
        return {
            "response": reply.content,
            "message": said.content,
            "thread_id": str(said.conversation_id),
            "timestamp": reply.created_at,
        }

    return view.said(request, accept, show, where="thread_id")


def _names(user: User, data: Mapping[str, Any]) -> bool:
    """Whether what a body says of who speaks is true."""
    own = {str(user.pk), user.username.casefold(), user.email.casefold()} - {""}
    said = [data[name] for name in ("user_id", "email") if name in data]
    return all(isinstance(name, str) and name.casefold() in own for name in said)


def _thread(user: User) -> Conversation:
    """Return the newest thread, or a new one that begins with the assistant's instructions."""
    return conversations_with(user, _MARK).first() or conversation_create(
        owner=user, title="Roadmap", metadata=_MARK, instructions=settings.ROADMAP_INSTRUCTIONS
    )


class Threads(ContractView):
    """The threads."""

    @described("roadmap_threads", {200: ThreadsShape})
    def get(self, request: Request) -> Response:
        """List the caller's threads, newest first."""
        threads = conversations_with(caller(request), _MARK)[: settings.CONTRACT_LIST_MAX]
        return Response({"threads": ThreadShape(threads, many=True).data})
