"""API keys: list, create, revoke; a key itself can do none of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.auth import caller
from api.bodies import Text, read
from api.idempotency import Creating
from api.schema import operation
from pipelines.api_keys import selectors, services
from pipelines.api_keys.models import ApiKey, Scope


class ApiKeyBody(serializers.Serializer[Any]):
    """A new key."""

    name = Text(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices), max_length=len(Scope)
    )
    retrieval = serializers.BooleanField(required=False, default=False, source="has_retrieval")
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class ApiKeyShape(serializers.Serializer[Any]):
    """A key, of which `prefix` is the beginning."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    retrieval = serializers.BooleanField(source="has_retrieval")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewApiKeyShape(ApiKeyShape):
    """A key that was just created; `key` is shown this once, and null in a repeated answer."""

    key = serializers.CharField(allow_null=True)


class ApiKeys(Creating, ListAPIView[ApiKey]):
    """The own keys."""

    serializer_class = ApiKeyShape
    scope = None
    secrets = ("key",)

    def get_queryset(self) -> QuerySet[ApiKey]:
        """Choose the caller's."""
        return selectors.api_keys_of(caller(self.request))

    @operation("apikeys_list", {200: ApiKeyShape(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the own keys, newest first."""
        return super().get(request, *args, **kwargs)

    @operation("apikeys_create", {201: NewApiKeyShape}, request=ApiKeyBody)
    def post(self, request: Request) -> Response:
        """Create a key."""
        body = read(ApiKeyBody, request.data)
        key, text = services.api_key_create(owner=caller(request), **body)
        return Response({**ApiKeyShape(key).data, "key": text}, status=201)


class ApiKeyView(APIView):
    """One key."""

    scope = None

    @operation("apikeys_get", {200: ApiKeyShape})
    def get(self, request: Request, api_key_id: UUID) -> Response:
        """Read what is known of a key."""
        return Response(ApiKeyShape(selectors.api_key_get(caller(request), api_key_id)).data)

    @operation("apikeys_revoke", {204: None})
    def delete(self, request: Request, api_key_id: UUID) -> Response:
        """Make a key void."""
        found = selectors.api_key_get(caller(request), api_key_id)
        services.api_key_revoke(api_key=found)
        return Response(status=204)
