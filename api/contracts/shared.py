"""The two paths at which two contracts meet: the body says which of them is spoken."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.bodies import Text
from api.contracts import roadmap, tokens
from api.contracts.schema import ContractSerializer, PendingShape, described
from api.contracts.views import OpenView, Speaking, error_body

_TOKENS, _ROADMAP = ("username", "password"), ("email", "firstName")


class RegisteredShape(ContractSerializer):
    """What was made: by the roadmap contract an account that is signed in, or a letter to one."""

    message = serializers.CharField()
    user_id = serializers.UUIDField(required=False)
    email = serializers.EmailField(required=False)
    csrf_token = serializers.CharField(required=False)
    token = serializers.CharField(required=False)


class RoadmapMessageBody(ContractSerializer):
    """A message of the roadmap contract."""

    user_id = Text(required=False)
    email = Text(required=False)
    message = Text(trim_whitespace=False)


class TokenMessageBody(ContractSerializer):
    """A message of the token contract."""

    message = Text(trim_whitespace=False)


class RoadmapReplyShape(ContractSerializer):
    """A message of the roadmap contract, and the reply to it."""

    response = serializers.CharField()
    message = serializers.CharField()
    thread_id = serializers.UUIDField()
    timestamp = serializers.DateTimeField()


def _either(name: str, *shapes: type[ContractSerializer]) -> PolymorphicProxySerializer:
    return PolymorphicProxySerializer(
        component_name=name, serializers=list(shapes), resource_type_field_name=None
    )


class Register(OpenView):
    """Registration."""

    throttles = ("register",)

    @described(
        "shared_register",
        {201: RegisteredShape, 202: RegisteredShape},
        request=_either("Registration", tokens.CredentialsBody, roadmap.RegistrationBody),
    )
    def post(self, request: Request) -> Response:
        """Register by the token contract, or by the roadmap contract."""
        given = dict(request.data)
        if set(_TOKENS) <= given.keys():
            return tokens.register(given)
        if set(_ROADMAP) <= given.keys():
            return roadmap.register(request, given)
        meant = _ROADMAP if set(_ROADMAP) & given.keys() else _TOKENS
        missing = [name for name in meant if name not in given]
        sentence = f"Missing fields: {', '.join(missing)}"
        return Response(error_body(sentence, code="required", missing=missing), status=400)


class Chat(Speaking):
    """Messages."""

    @described(
        "shared_chat",
        {200: _either("Replied", tokens.ReplyShape, RoadmapReplyShape), 202: PendingShape},
        request=_either("Said", TokenMessageBody, RoadmapMessageBody),
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer a message by the roadmap contract, or by the token contract."""
        is_roadmap = {"user_id", "email"} & dict(request.data).keys()
        return roadmap.chat(self, request) if is_roadmap else tokens.chat(self, request)
