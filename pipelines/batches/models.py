"""Tables: batches and the turns in them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from pipelines.core.models import Owned
from pipelines.jobs.models import Job


class BatchState(models.TextChoices):
    """Where a batch stands."""

    IN_PROGRESS = "in_progress", "In progress: its turns are accepted and answered"
    COMPLETED = "completed", "Completed: each of its turns has ended, however"
    CANCELLED = "cancelled", "Cancelled: what had not ended by then does not go on"


class Batch(Owned):
    """Turns that were sent as one."""

    # Accepts the turns, by and by.
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="batch")
    state = models.CharField(max_length=16, choices=BatchState, default=BatchState.IN_PROGRESS)
    total = models.PositiveIntegerField()
    ended = models.PositiveIntegerField(default=0)
    metadata = models.JSONField(default=dict, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "batches"
        indexes = [models.Index(fields=["owner", "-id"], name="batch_by_owner")]
        constraints = [
            models.CheckConstraint(
                condition=Q(ended__lte=models.F("total")), name="batch_ends_once"
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)


class BatchTurn(models.Model):
    """One turn of a batch: what was sent, until it is accepted; then its job."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="turns")
    position = models.PositiveIntegerField()
    # The client's own name for it.
    custom_id = models.CharField(max_length=64, blank=True)
    # Empty once the turn is accepted: what was said stands in its conversation, and goes with it.
    body = models.JSONField(default=dict)
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="batch_turn")
    # Why it was not accepted.
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "position"], name="batch_turn_position"),
            models.UniqueConstraint(
                fields=["batch", "custom_id"], condition=~Q(custom_id=""), name="batch_turn_name"
            ),
        ]
        indexes = [
            models.Index(
                fields=["batch", "position"],
                condition=Q(job__isnull=True, ended_at__isnull=True),
                name="batch_turn_unaccepted",
            )
        ]

    def __str__(self) -> str:
        return self.custom_id or f"#{self.position}"
