"""Tables: endpoints, what is delivered to them, and each attempt at it."""

from __future__ import annotations

from django.db import models

from pipelines.core.models import Entity, Owned
from pipelines.jobs.models import Job


class EventType(models.TextChoices):
    """What an endpoint may be told of."""

    JOB_COMPLETED = "job.completed", "A job completed"
    JOB_FAILED = "job.failed", "A job failed"
    JOB_CANCELLED = "job.cancelled", "A job was cancelled"
    JOB_INCOMPLETE = "job.incomplete", "A job ended early with a part of its result"
    RESPONSE_COMPLETED = "response.completed", "A background response completed"
    RESPONSE_FAILED = "response.failed", "A background response failed"
    RESPONSE_CANCELLED = "response.cancelled", "A background response was cancelled"
    RESPONSE_INCOMPLETE = "response.incomplete", "A background response was cut short"
    BATCH_COMPLETED = "batch.completed", "Each turn of a batch has ended"
    BATCH_CANCELLED = "batch.cancelled", "A batch was cancelled"
    PING = "endpoint.ping", "The owner asked whether the endpoint hears"


class Endpoint(Owned):
    """Where an owner wants to hear of what happens."""

    url = models.CharField(max_length=2048)
    description = models.CharField(max_length=255, blank=True)
    events = models.JSONField(default=list)
    # Of jobs of these kinds alone; of all when empty.
    kinds = models.JSONField(default=list, blank=True)
    # whsec_…; what it replaced signs beside it for a while.
    secret = models.CharField(max_length=128)
    old_secret = models.CharField(max_length=128, blank=True)
    old_secret_until = models.DateTimeField(null=True, blank=True)
    # Since when nothing is sent to it any more, and why.
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=255, blank=True)

    class Meta:
        indexes = [models.Index(fields=["owner", "-id"], name="endpoint_by_owner")]

    def __str__(self) -> str:
        return self.url


class DeliveryState(models.TextChoices):
    """Where a delivery stands."""

    PENDING = "pending", "Pending: it is sent until the endpoint takes it"
    DELIVERED = "delivered", "Delivered: the endpoint answered with a 2xx"
    FAILED = "failed", "Failed: given up, or cancelled; it can be sent again"


class Delivery(Entity):
    """One event for one endpoint; every sending of it bears the same id and the same bytes."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries")
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="delivery")
    state = models.CharField(max_length=16, choices=DeliveryState, default=DeliveryState.PENDING)
    type = models.CharField(max_length=64)
    # What is sent and signed, to the byte.
    body = models.TextField()
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["endpoint", "-id"], name="delivery_by_endpoint"),
            models.Index(fields=["created_at"], name="delivery_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"

    @property
    def event_id(self) -> str:
        """The id by which a receiver knows what it was sent before."""
        return f"evt_{self.pk.hex}"


class Attempt(models.Model):
    """One attempt at a delivery, and what came of it."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    created_at = models.DateTimeField()
    seconds = models.FloatField()
    # Of the answer; empty when there was none, and `error` says why.
    status = models.PositiveIntegerField(null=True, blank=True)
    answer = models.TextField(blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.status or self.error_code}"
