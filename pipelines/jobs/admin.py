"""Admin pages of jobs with their timeline, of files, of nodes, and of Celery's own records."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django_celery_results.admin import GroupResultAdmin as CeleryGroupResultAdmin
from django_celery_results.admin import TaskResultAdmin as CeleryTaskResultAdmin
from django_celery_results.models import GroupResult, TaskResult
from unfold.decorators import display  # type: ignore[import-untyped]

from pipelines.core.admin import Page, WatchAdmin, WatchInline, WatchOnly, link_to, pretty
from pipelines.jobs.dead_letters import jobs_replay
from pipelines.jobs.models import Artifact, Job, JobEvent, JobStep, Node
from pipelines.jobs.selectors import current_step
from pipelines.jobs.services import job_cancel
from pipelines.jobs.states import ACTIVE, JobState

_COLOURS = {
    JobState.QUEUED: "info",
    JobState.IN_PROGRESS: "warning",
    JobState.COMPLETED: "success",
    JobState.FAILED: "danger",
}

admin.site.unregister(TaskResult)
admin.site.unregister(GroupResult)


class StepInline(WatchInline):
    """The steps of a job."""

    model = JobStep
    fields = (
        "name",
        "queue",
        "state",
        "attempt",
        "worker",
        "reason",
        "error",
        "started_at",
        "finished_at",
        "record",
    )

    def error(self, step: JobStep) -> str:
        """Show why the last attempt failed."""
        return f"{step.error_code}: {step.error_detail}" if step.error_code else "–"

    @admin.display(description="Celery's record")
    def record(self, step: JobStep) -> SafeString | str:
        """Link to what Celery noted about the last attempt."""
        found = TaskResult.objects.filter(task_id=step.task_id).first() if step.task_id else None
        return link_to(found, found.status) if found else "–"


class EventInline(WatchInline):
    """The log of a job."""

    model = JobEvent
    verbose_name_plural = "timeline"
    fields = ("when", "type", "step", "attempt", "detail")

    def when(self, event: JobEvent) -> str:
        """Show the moment to the millisecond, in UTC."""
        return event.created_at.isoformat(" ", "milliseconds").removesuffix("+00:00")


class ArtifactInline(WatchInline):
    """The files of a job."""

    model = Artifact
    fields = ("name", "content_type", "size", "sha256")


@admin.register(Job)
class JobAdmin(WatchAdmin):
    """Jobs; the failed ones are the dead letters."""

    list_display = ("id", "kind", "state_label", "owner", "step", "created_at", "finished_at")
    list_filter = ("state", "kind", "steps__queue", "created_at")
    list_filter_submit = False
    search_fields = ("id", "owner__email", "owner__username", "error_code")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("id", "kind", "state", "owner", "parent_link", "error")}),
        ("When", {"fields": ("created_at", "started_at", "finished_at", "deadline")}),
        ("Order", {"fields": ("ordering_key", "ordering_number", "epoch", "priority")}),
        ("Data", {"fields": ("input_json", "output_json", "metadata_json")}),
    )
    readonly_fields = ("parent_link", "error", "input_json", "output_json", "metadata_json")
    inlines = (StepInline, EventInline, ArtifactInline)
    actions = ("cancel", "replay")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Read the owner and the steps along."""
        return super().get_queryset(request).select_related("owner").prefetch_related("steps")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may cancel and replay."""
        return request.user.has_perm("jobs.change_job")

    @display(description="state", ordering="state", label=_COLOURS)  # type: ignore[untyped-decorator]
    def state_label(self, job: Job) -> str:
        """Show the state in its colour."""
        return job.state

    def step(self, job: Job) -> str:
        """Show the step that runs or is next, and its queue."""
        step = current_step(job)
        return f"{step.name} ({step.queue})" if step else "–"

    def error(self, job: Job) -> str:
        """Show why the job failed."""
        return f"{job.error_code}: {job.error_detail}" if job.error_code else "–"

    @admin.display(description="parent")
    def parent_link(self, job: Job) -> SafeString | str:
        """Link to the job that this one follows from."""
        return link_to(job.parent)

    @admin.display(description="input")
    def input_json(self, job: Job) -> SafeString | str:
        """Show the input."""
        return pretty(job.input)

    @admin.display(description="output")
    def output_json(self, job: Job) -> SafeString | str:
        """Show the output."""
        return pretty(job.output)

    @admin.display(description="metadata")
    def metadata_json(self, job: Job) -> SafeString | str:
        """Show the client's own data."""
        return pretty(job.metadata)

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Cancel those of the chosen jobs that have not ended."""
        ids = list(queryset.filter(state__in=ACTIVE).values_list("pk", flat=True))
        cancelled = [job_cancel(job_id=job_id).state == JobState.CANCELLED for job_id in ids]
        self.message_user(request, f"Cancelled: {sum(cancelled)}.")

    @admin.action(description="Replay from the failed step", permissions=["operate"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Run the chosen jobs again, as far as they failed."""
        done = jobs_replay(job_ids=queryset.values_list("pk", flat=True))
        for job_id, error in done.refused.items():
            self.message_user(request, f"{job_id}: {error.detail}", messages.WARNING)
        self.message_user(request, f"Replayed: {len(done.replayed)}.")


@admin.register(Artifact)
class ArtifactAdmin(WatchAdmin):
    """The files that jobs made."""

    list_display = ("name", "content_type", "size", "job", "created_at")
    list_filter = ("content_type",)
    search_fields = ("name", "job__id")
    fields = ("name", "content_type", "size", "sha256", "job_link", "created_at")
    readonly_fields = ("job_link",)
    ordering = ("-id",)
    list_select_related = ("job",)

    @admin.display(description="job")
    def job_link(self, artifact: Artifact) -> SafeString | str:
        """Link to the job that made the file."""
        return link_to(artifact.job)


@admin.register(Node)
class NodeAdmin(WatchAdmin):
    """The processes that say they are alive."""

    list_display = ("name", "role", "queues", "pid", "seen_at")
    list_filter = ("role",)
    ordering = ("role", "name")


@admin.register(TaskResult)
class TaskResultAdmin(WatchOnly, CeleryTaskResultAdmin, Page):
    """Celery's own record of each task."""


@admin.register(GroupResult)
class GroupResultAdmin(WatchOnly, CeleryGroupResultAdmin, Page):
    """Celery's own record of each group."""
