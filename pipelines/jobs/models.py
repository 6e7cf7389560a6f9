"""Tables: jobs, their steps, their log, their files, and the processes that serve them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.deletion import Collector
from django.utils import timezone

from pipelines.core.models import Entity
from pipelines.jobs.states import ACTIVE, JobState, StepState, Waits


def cascade_when_ended(
    collector: Collector, field: models.Field[Any, Any], jobs: models.QuerySet[Job], using: str
) -> None:
    """Let jobs go with their owner; ProtectedError while one is under way, to which workers write.

    Whoever deletes an account cancels them first, or waits.
    """
    if active := list(jobs.filter(state__in=ACTIVE)):
        raise models.ProtectedError("Jobs of this account are under way.", set(active))
    models.CASCADE(collector, field, jobs, using)


class Job(Entity):
    """One accepted piece of work; every job reaches a final state."""

    kind = models.CharField(max_length=64)
    # Empty for the work of the house itself, such as retention.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=cascade_when_ended, related_name="jobs"
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children"
    )
    state = models.CharField(max_length=16, choices=JobState, default=JobState.QUEUED)
    input = models.JSONField(default=dict)
    output = models.JSONField(null=True, blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    # Jobs with the same key run one after another, in the order in which they were accepted.
    ordering_key = models.CharField(max_length=96, blank=True)
    ordering_number = models.PositiveBigIntegerField(default=0)
    # NULL, not "": the unique constraint must let any number of jobs go without a key.
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    # Below 0 is bulk work, which everything else overtakes.
    priority = models.SmallIntegerField(default=0)
    waits_for = models.CharField(max_length=8, choices=Waits, default=Waits.NOTHING, blank=True)
    deadline = models.DateTimeField(null=True, blank=True)
    # Raised by each replay: a message that carries an older one is void.
    epoch = models.PositiveIntegerField(default=1)
    metadata = models.JSONField(default=dict, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "kind", "idempotency_key"],
                condition=Q(owner__isnull=False),
                name="job_idempotency_of_owner",
            ),
            models.UniqueConstraint(
                fields=["kind", "idempotency_key"],
                condition=Q(owner__isnull=True),
                name="job_idempotency_of_house",
            ),
            models.UniqueConstraint(
                fields=["ordering_key", "ordering_number"],
                condition=~Q(ordering_key=""),
                name="job_order",
            ),
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="job_state_known"),
        ]
        indexes = [
            models.Index(fields=["owner", "-id"], name="job_by_owner"),
            models.Index(
                fields=["ordering_key", "ordering_number"],
                condition=Q(state__in=["queued", "in_progress"]) & ~Q(ordering_key=""),
                name="job_lane",
            ),
            models.Index(
                fields=["deadline"],
                condition=Q(state__in=["queued", "in_progress"], deadline__isnull=False),
                name="job_deadline",
            ),
            models.Index(
                fields=["owner", "waits_for", "id"],
                condition=Q(state__in=["queued", "in_progress"]) & ~Q(waits_for="lane"),
                name="job_share",
            ),
            models.Index(
                fields=["waits_for", "id"],
                condition=Q(state__in=["queued", "in_progress"], priority__lt=0),
                name="job_bulk",
            ),
            models.Index(
                fields=["id"],
                condition=Q(state__in=["queued", "in_progress"], waits_for="share"),
                name="job_waiting",
            ),
            models.Index(fields=["state", "finished_at"], name="job_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def is_bulk(self) -> bool:
        """Whether nobody sits and waits for it."""
        return self.priority < 0


class JobStep(models.Model):
    """One step of a job: its attempts, its lease, its outcome."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=64)
    queue = models.CharField(max_length=32)
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=16, choices=StepState, default=StepState.QUEUED)
    # From when a worker may take it; empty while it waits for the step or the turn before it.
    ready_at = models.DateTimeField(null=True, blank=True)
    # When it was last handed to the broker; empty when that is known to have failed.
    published_at = models.DateTimeField(null=True, blank=True)
    # Why it waits, in words for a person.
    reason = models.CharField(max_length=255, blank=True)
    # The fence: an effect is recorded only by the attempt that still owns the step.
    attempt = models.PositiveIntegerField(default=0)
    # Attempts of earlier epochs, and those given back unused, which the retry policy forgives.
    forgiven = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=255, blank=True)
    task_id = models.CharField(max_length=64, blank=True)
    progress = models.JSONField(default=dict, blank=True)
    output = models.JSONField(null=True, blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["job", "position"], name="step_position"),
            models.UniqueConstraint(fields=["job", "name"], name="step_name"),
            models.CheckConstraint(
                condition=Q(state__in=StepState.values), name="step_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="in_progress") | Q(lease_expires_at__isnull=False),
                name="step_in_progress_has_lease",
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue", "ready_at"],
                condition=Q(state="queued", ready_at__isnull=False),
                name="step_ready",
            ),
            models.Index(
                fields=["lease_expires_at"], condition=Q(state="in_progress"), name="step_lease"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.job_id}"

    @property
    def tries(self) -> int:
        """The attempts that count: those of this epoch which were not given back unused."""
        return self.attempt - self.forgiven


class JobEvent(models.Model):
    """One line of a job's log: what happened to which step, and why."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    type = models.CharField(max_length=32)
    step = models.CharField(max_length=64, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    detail = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.type} {self.step}".strip()


class Artifact(Entity):
    """A file that a job made; only the job's owner may fetch it."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="artifacts")
    name = models.CharField(max_length=128)
    content_type = models.CharField(max_length=128)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    # The key in the artifact storage, made by the server.
    key = models.CharField(max_length=255)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="artifact_name")]

    def __str__(self) -> str:
        return self.name


class Node(models.Model):
    """A process that says it is alive: a worker with its queues, a relay, a beat."""

    name = models.CharField(max_length=255, primary_key=True)
    role = models.CharField(max_length=16)
    queues = models.JSONField(default=list)
    pid = models.PositiveIntegerField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
