"""Reads of endpoints and deliveries, each scoped to one owner."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet

from pipelines.core.errors import NotFound
from pipelines.webhooks.models import Delivery, Endpoint

if TYPE_CHECKING:
    from pipelines.accounts.models import User


def endpoints_of(owner: User) -> QuerySet[Endpoint]:
    """Every endpoint of an owner, newest first."""
    return Endpoint.objects.filter(owner=owner).order_by("-id")


def endpoint_get(owner: User, endpoint_id: UUID) -> Endpoint:
    """Return one endpoint; NotFound when it does not exist or is another's."""
    found = endpoints_of(owner).filter(pk=endpoint_id).first()
    if found is None:
        raise NotFound("There is no such endpoint.")
    return found


def deliveries_of(owner: User) -> QuerySet[Delivery]:
    """Every delivery to an owner's endpoints, with its attempts, newest first."""
    found = Delivery.objects.filter(endpoint__owner=owner).order_by("-id")
    return found.select_related("endpoint").prefetch_related("attempts")


def delivery_get(owner: User, delivery_id: UUID) -> Delivery:
    """Return one delivery; NotFound when it does not exist or is to another's endpoint."""
    found = deliveries_of(owner).filter(pk=delivery_id).first()
    if found is None:
        raise NotFound("There is no such delivery.")
    return found
