"""Webhooks: endpoints, their secrets, and the log of what was delivered to them."""

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
from pipelines.core.steps import declared_kinds
from pipelines.webhooks import selectors, services
from pipelines.webhooks.addresses import URL_MAX_CHARACTERS
from pipelines.webhooks.models import Delivery, DeliveryState, Endpoint, EventType

_CHOSEN = [event for event in EventType.choices if event[0] != EventType.PING]


class EndpointChanges(serializers.Serializer[Any]):
    """What of an endpoint is to be otherwise; `enabled` starts one again that was stopped."""

    url = Text(max_length=URL_MAX_CHARACTERS, required=False)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=_CHOSEN), max_length=len(_CHOSEN), required=False
    )
    kinds = serializers.ListField(child=Text(max_length=64), max_length=64, required=False)
    description = Text(max_length=255, allow_blank=True, required=False)
    enabled = serializers.BooleanField(source="is_enabled", required=False)

    def validate_kinds(self, value: list[str]) -> list[str]:
        """Refuse a kind that no pipeline declares."""
        if unknown := sorted(set(value) - declared_kinds()):
            raise serializers.ValidationError(
                f"There is no such kind of job: {', '.join(unknown)}.", "unknown_kind"
            )
        return value


class EndpointBody(EndpointChanges):
    """A new endpoint; `kinds` are those of the jobs that it wants to hear of, all when empty."""

    url = Text(max_length=URL_MAX_CHARACTERS)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=_CHOSEN), max_length=len(_CHOSEN)
    )
    enabled = None  # type: ignore[assignment]


class EndpointShape(serializers.Serializer[Any]):
    """An endpoint."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    description = serializers.CharField()
    events = serializers.ListField(child=serializers.ChoiceField(choices=_CHOSEN))
    kinds = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    disabled_at = serializers.DateTimeField(allow_null=True)
    disabled_reason = serializers.CharField()


class SecretShape(EndpointShape):
    """An endpoint with a new `secret`, shown this once, and null in a repeated answer."""

    secret = serializers.CharField(allow_null=True)


class AttemptShape(serializers.Serializer[Any]):
    """One attempt: what the endpoint answered, or why it did not."""

    created_at = serializers.DateTimeField()
    seconds = serializers.FloatField()
    status = serializers.IntegerField(allow_null=True)
    answer = serializers.CharField()
    error_code = serializers.CharField()
    error_detail = serializers.CharField()


class DeliveryShape(serializers.Serializer[Any]):
    """One event for one endpoint; `event_id` is what the header `webhook-id` says."""

    id = serializers.UUIDField()
    event_id = serializers.CharField()
    endpoint_id = serializers.UUIDField()
    job_id = serializers.UUIDField(allow_null=True)
    type = serializers.CharField()
    state = serializers.ChoiceField(choices=DeliveryState.choices)
    body = serializers.CharField()
    created_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    attempts = AttemptShape(many=True)


class DeliveryFilters(serializers.Serializer[Any]):
    """Which deliveries to list."""

    endpoint = serializers.UUIDField(source="endpoint_id", required=False)
    state = serializers.ChoiceField(choices=DeliveryState.choices, required=False)
    type = serializers.ChoiceField(choices=EventType.choices, required=False)


class Endpoints(Creating, ListAPIView[Endpoint]):
    """The own endpoints."""

    serializer_class = EndpointShape
    secrets = ("secret",)

    def get_queryset(self) -> QuerySet[Endpoint]:
        """Choose the caller's."""
        return selectors.endpoints_of(caller(self.request))

    @operation("webhooks_list", {200: EndpointShape(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the own endpoints, newest first."""
        return super().get(request, *args, **kwargs)

    @operation("webhooks_create", {201: SecretShape}, request=EndpointBody)
    def post(self, request: Request) -> Response:
        """Say where you want to hear of what."""
        body = read(EndpointBody, request.data)
        endpoint = services.endpoint_create(owner=caller(request), **body)
        return Response(SecretShape(endpoint).data, status=201)


class EndpointView(APIView):
    """One endpoint."""

    @operation("webhooks_get", {200: EndpointShape})
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """Read an endpoint."""
        return Response(EndpointShape(selectors.endpoint_get(caller(request), endpoint_id)).data)

    @operation("webhooks_update", {200: EndpointShape}, request=EndpointChanges)
    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        """Change an endpoint, stop it, or start it again."""
        found = selectors.endpoint_get(caller(request), endpoint_id)
        changes = read(EndpointChanges, request.data)
        return Response(EndpointShape(services.endpoint_update(endpoint=found, **changes)).data)

    @operation("webhooks_delete", {204: None})
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        """Delete an endpoint with its log."""
        found = selectors.endpoint_get(caller(request), endpoint_id)
        services.endpoint_delete(endpoint=found)
        return Response(status=204)


class EndpointRotate(Creating):
    """A new secret."""

    secrets = ("secret",)

    @operation("webhooks_rotate", {201: SecretShape}, request=None)
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Give an endpoint a new secret; the old one signs beside it for a while."""
        found = selectors.endpoint_get(caller(request), endpoint_id)
        return Response(SecretShape(services.endpoint_rotate(endpoint=found)).data, status=201)


class EndpointPing(Creating):
    """A trial."""

    @operation("webhooks_ping", {201: DeliveryShape}, request=None)
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send an endpoint an event that says nothing else."""
        found = selectors.endpoint_get(caller(request), endpoint_id)
        return Response(DeliveryShape(services.endpoint_ping(endpoint=found)).data, status=201)


class Deliveries(ListAPIView[Delivery]):
    """What was delivered, and what not."""

    serializer_class = DeliveryShape

    def get_queryset(self) -> QuerySet[Delivery]:
        """Choose those that the filters name."""
        filters = read(DeliveryFilters, self.request.query_params)
        return selectors.deliveries_of(caller(self.request)).filter(**filters)

    @operation("webhooks_deliveries", {200: DeliveryShape(many=True)}, parameters=[DeliveryFilters])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the deliveries to the own endpoints, newest first, with every attempt."""
        return super().get(request, *args, **kwargs)


class DeliveryView(APIView):
    """One delivery."""

    @operation("webhooks_delivery", {200: DeliveryShape})
    def get(self, request: Request, delivery_id: UUID) -> Response:
        """Read a delivery with every attempt."""
        return Response(DeliveryShape(selectors.delivery_get(caller(request), delivery_id)).data)


class DeliveryReplay(Creating):
    """Sending again."""

    @operation("webhooks_replay", {201: DeliveryShape}, request=None)
    def post(self, request: Request, delivery_id: UUID) -> Response:
        """Send an event again, with its id and its bytes."""
        found = selectors.delivery_get(caller(request), delivery_id)
        services.delivery_replay(delivery=found)
        return Response(
            DeliveryShape(selectors.delivery_get(caller(request), delivery_id)).data, status=201
        )
