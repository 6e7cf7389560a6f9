"""The shape in which a job is shown, on every route that shows one."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from api.errors import RETRY_AFTER, RETRY_AFTER_MAX
from pipelines.jobs.models import Artifact, Job, JobStep
from pipelines.jobs.selectors import Waiting, current_step, job_new, records_of, waiting_of
from pipelines.jobs.states import JobState, StepState

if TYPE_CHECKING:
    from pipelines.accounts.models import User


class ErrorShape(serializers.Serializer[Any]):
    """Why something failed."""

    code = serializers.CharField()
    detail = serializers.CharField()


class ProgressShape(serializers.Serializer[Any]):
    """How far a job has come; `current` is the step that runs or is next."""

    completed = serializers.IntegerField()
    total = serializers.IntegerField()
    current = serializers.CharField(allow_null=True)


class QueueShape(serializers.Serializer[Any]):
    """Where a job waits: its place counts from 1; null while something else must come first."""

    name = serializers.CharField(source="queue")
    position = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField()


class RecordShape(serializers.Serializer[Any]):
    """Celery's own record of a step's last task; the traceback is for staff."""

    task_id = serializers.CharField()
    status = serializers.CharField()
    worker = serializers.CharField(allow_null=True)
    date_done = serializers.DateTimeField()
    traceback = serializers.CharField(required=False, allow_null=True)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Leave the traceback out for everybody but staff."""
        shown = dict(super().to_representation(instance))
        if not self.context["viewer"].is_staff:
            shown.pop("traceback", None)
        return shown


class Failable(Protocol):
    """A row that may say how it failed."""

    error_code: Any
    error_detail: Any


def error_of(row: Failable) -> dict[str, str] | None:
    """Return a row's error; None when it has none."""
    return {"code": row.error_code, "detail": row.error_detail} if row.error_code else None


class StepShape(serializers.Serializer[Any]):
    """One step of a job."""

    name = serializers.CharField()
    queue = serializers.CharField()
    state = serializers.ChoiceField(choices=StepState.choices)
    attempt = serializers.IntegerField()
    worker = serializers.CharField()
    reason = serializers.CharField()
    ready_at = serializers.DateTimeField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    error = serializers.SerializerMethodField()
    progress = serializers.DictField()
    record = serializers.SerializerMethodField()

    @extend_schema_field(ErrorShape(allow_null=True))
    def get_error(self, step: JobStep) -> dict[str, str] | None:
        """Say why the last attempt failed."""
        return error_of(step)

    @extend_schema_field(RecordShape(allow_null=True))
    def get_record(self, step: JobStep) -> Any:
        """Show what Celery noted about the last attempt, if it has noted anything."""
        record = self.context["records"].get(step.task_id)
        return RecordShape(record, context=self.context).data if record else None


class ArtifactShape(serializers.Serializer[Any]):
    """A file that a job made."""

    name = serializers.CharField()
    content_type = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    url = serializers.SerializerMethodField()

    def get_url(self, artifact: Artifact) -> str:
        """Say where the file is to be had."""
        return reverse("artifact", args=[artifact.job_id, artifact.name])


class ChildShape(serializers.Serializer[Any]):
    """A job that followed from another."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    state = serializers.ChoiceField(choices=JobState.choices)


class JobShape(serializers.Serializer[Any]):
    """One job, with all that happened to it."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    state = serializers.ChoiceField(choices=JobState.choices)
    progress = serializers.SerializerMethodField()
    queue = serializers.SerializerMethodField()
    steps = StepShape(many=True)
    result = serializers.JSONField(source="output", allow_null=True)
    error = serializers.SerializerMethodField()
    artifacts = ArtifactShape(many=True)
    # The class of fields has an attribute of this name; a declared field leaves it alone.
    parent = serializers.UUIDField(  # type: ignore[assignment]
        source="parent_id", allow_null=True
    )
    children = ChildShape(many=True)
    metadata = serializers.DictField()
    deadline = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(ProgressShape)
    def get_progress(self, job: Job) -> dict[str, Any]:
        """Count the steps that are done."""
        states = [step.state for step in job.steps.all()]
        step = current_step(job)
        return {
            "completed": states.count(StepState.COMPLETED),
            "total": len(states),
            "current": step.name if step else None,
        }

    @extend_schema_field(QueueShape(allow_null=True))
    def get_queue(self, job: Job) -> Any:
        """Say where the next step waits; null when it runs, or none is left."""
        waiting: Waiting | None = self.context["waiting"].get(job.pk)
        return QueueShape(waiting).data if waiting else None

    @extend_schema_field(ErrorShape(allow_null=True))
    def get_error(self, job: Job) -> dict[str, str] | None:
        """Say why the job failed."""
        return error_of(job)


def job_bodies(
    jobs: Sequence[Job], viewer: User, shape: type[JobShape] = JobShape
) -> list[dict[str, Any]]:
    """Show jobs that were read with their steps; three queries for all of them together."""
    context = {"records": records_of(jobs), "waiting": waiting_of(jobs), "viewer": viewer}
    return [dict(shape(job, context=context).data) for job in jobs]


def job_body(job: Job, viewer: User) -> dict[str, Any]:
    """Show one job."""
    return job_bodies([job], viewer)[0]


def retry_after(job: Job) -> int:
    """Tell after how many seconds there may be something new: a step may not begin before."""
    step = current_step(job)
    if step is None or step.state != StepState.QUEUED or step.ready_at is None:
        return RETRY_AFTER
    seconds = ceil((step.ready_at - timezone.now()).total_seconds())
    return max(RETRY_AFTER, min(seconds, RETRY_AFTER_MAX))


def accepted(job: Job | None, viewer: User, wrap: str = "", **more: Any) -> Response:
    """Answer 202 for a job that was just accepted: where it is, and when to ask.

    Args:
        job: The job, as it was written.
        viewer: Who asked for it.
        wrap: The name under which the job stands; the job is the body itself when empty.
        more: What else the body says.
    """
    assert job is not None  # only retention ever takes a job away
    body = job_body(job_new(job), viewer)
    headers = {"Location": reverse("job", args=[job.pk]), "Retry-After": str(retry_after(job))}
    return Response({**({wrap: body} if wrap else body), **more}, status=202, headers=headers)
