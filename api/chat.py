"""Chat: turns, conversations and their messages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.auth import caller
from api.bodies import Text, read
from api.deadlines import CANCEL_AFTER, TimedBody, read_timed
from api.idempotency import Creating
from api.pagination import InOrder
from api.schema import operation
from api.shapes import JobShape, accepted
from pipelines.chat import selectors, services
from pipelines.chat.models import Conversation, Message, Role


class SaidBody(serializers.Serializer[Any]):
    """What is said, where, and who is to answer."""

    # What a message may be is the service's to say.
    message = Text(allow_blank=True, trim_whitespace=False)
    conversation_id = serializers.UUIDField(required=False, allow_null=True)
    collections = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, max_length=100
    )
    provider = Text(required=False, allow_blank=True, max_length=64)
    model = Text(required=False, allow_blank=True, max_length=128)
    metadata = serializers.DictField(required=False)


class TurnBody(SaidBody, TimedBody):
    """A turn: what is said, and how soon somebody wants an answer."""

    service_tier = serializers.ChoiceField(choices=list(services.TIERS), required=False)


class TurnShape(JobShape):
    """The job of a turn."""

    conversation_id = serializers.UUIDField()
    message_id = serializers.UUIDField()


class TitleBody(serializers.Serializer[Any]):
    """A conversation's title."""

    title = Text(max_length=255, allow_blank=True)


class ConversationBody(serializers.Serializer[Any]):
    """A new conversation."""

    title = Text(max_length=255, allow_blank=True, required=False)
    metadata = serializers.DictField(required=False)


class ConversationShape(serializers.Serializer[Any]):
    """A conversation."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class MessageShape(serializers.Serializer[Any]):
    """One message; of a reply also what it used, who wrote it, and what it cost."""

    id = serializers.UUIDField()
    job_id = serializers.UUIDField(allow_null=True)
    role = serializers.ChoiceField(choices=Role.choices)
    content = serializers.CharField()
    position = serializers.IntegerField()
    citations = serializers.ListField(child=serializers.DictField())
    provider = serializers.CharField()
    model = serializers.CharField()
    input_tokens = serializers.IntegerField(allow_null=True)
    output_tokens = serializers.IntegerField(allow_null=True)
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()


class Turns(Creating):
    """Turns."""

    @operation("turns_create", {202: TurnShape}, request=TurnBody, parameters=[CANCEL_AFTER])
    def post(self, request: Request) -> Response:
        """Say something; the job answers it."""
        user = caller(request)
        turn = services.turn_accept(owner=user, **read_timed(TurnBody, request))
        ids = {"conversation_id": str(turn.conversation.pk), "message_id": str(turn.message.pk)}
        return accepted(turn.job, user, **ids)


class Conversations(Creating, ListAPIView[Conversation]):
    """The own conversations."""

    serializer_class = ConversationShape

    def get_queryset(self) -> QuerySet[Conversation]:
        """Choose the caller's."""
        return selectors.conversations_of(caller(self.request))

    @operation("conversations_list", {200: ConversationShape(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the own conversations, newest first."""
        return super().get(request, *args, **kwargs)

    @operation("conversations_create", {201: ConversationShape}, request=ConversationBody)
    def post(self, request: Request) -> Response:
        """Open a conversation."""
        body = read(ConversationBody, request.data)
        conversation = services.conversation_create(owner=caller(request), **body)
        return Response(ConversationShape(conversation).data, status=201)


class ConversationView(APIView):
    """One conversation."""

    @operation("conversations_get", {200: ConversationShape})
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """Read a conversation."""
        found = selectors.conversation_get(caller(request), conversation_id)
        return Response(ConversationShape(found).data)

    @operation("conversations_rename", {200: ConversationShape}, request=TitleBody)
    def patch(self, request: Request, conversation_id: UUID) -> Response:
        """Give a conversation another title."""
        return Response(ConversationShape(renamed(request, conversation_id)).data)

    @operation("conversations_delete", {204: None})
    def delete(self, request: Request, conversation_id: UUID) -> Response:
        """Delete a conversation with its messages; what is under way in it is cancelled."""
        found = selectors.conversation_get(caller(request), conversation_id)
        services.conversation_delete(conversation=found)
        return Response(status=204)


def renamed(request: Request, conversation_id: UUID) -> Conversation:
    """Give one of the caller's conversations the title that a body names."""
    found = selectors.conversation_get(caller(request), conversation_id)
    title = read(TitleBody, request.data)["title"]
    return services.conversation_rename(conversation=found, title=title)


class Messages(ListAPIView[Message]):
    """The messages of a conversation."""

    serializer_class = MessageShape
    pagination_class = InOrder

    def get_queryset(self) -> QuerySet[Message]:
        """Choose those of one of the caller's conversations."""
        found = selectors.conversation_get(caller(self.request), self.kwargs["conversation_id"])
        return selectors.messages_of(found)

    @operation(
        "conversations_messages",
        {200: MessageShape(many=True)},
        parameters=[OpenApiParameter("conversation_id", OpenApiTypes.UUID, OpenApiParameter.PATH)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the messages of a conversation in their order."""
        return super().get(request, *args, **kwargs)
