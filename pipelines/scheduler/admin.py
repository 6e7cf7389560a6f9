"""Admin pages of the schedule and of statistics."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django_celery_beat.admin import ClockedScheduleAdmin as CeleryClockedScheduleAdmin
from django_celery_beat.admin import CrontabScheduleAdmin as CeleryCrontabScheduleAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as CeleryPeriodicTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm as CeleryPeriodicTaskForm
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import UnfoldAdminSelectWidget  # type: ignore[import-untyped]

from pipelines.core.admin import Page, Rows, WatchAdmin, WatchOnly, pretty
from pipelines.scheduler.models import DeclaredEntry, Statistics
from pipelines.scheduler.pipeline import START, TASKS
from pipelines.scheduler.services import run_start

KINDS = tuple(pipeline.kind for pipeline in TASKS.values())

for _model in (PeriodicTask, CrontabSchedule, IntervalSchedule, SolarSchedule, ClockedSchedule):
    admin.site.unregister(_model)


class PeriodicTaskForm(CeleryPeriodicTaskForm):  # type: ignore[misc]  # untyped package
    """An entry of the schedule, which starts one of the scheduler's pipelines.

    The list of registered tasks is left out: to fill it, this process would have to import the
    workers, engines included.
    """

    regtask = None
    task = forms.ChoiceField(
        choices=[(START.name, "start a run")],
        initial=START.name,
        widget=UnfoldAdminSelectWidget,
    )

    def clean(self) -> Any:
        """Check the rest; the parent takes it for granted that there is a task."""
        self.cleaned_data.setdefault("task", "")
        return super().clean()

    def clean_args(self) -> str:
        """Demand the one argument that a start takes."""
        value: str = super().clean_args()
        if json.loads(value) not in [[kind] for kind in KINDS]:
            choices = ", ".join(json.dumps([kind]) for kind in KINDS)
            raise forms.ValidationError(f"The arguments must be one of: {choices}.")
        return value


class TaskInline(WatchOnly, Rows):
    """The entries that use a schedule."""

    model = PeriodicTask
    fields = ("name", "args", "enabled")
    readonly_fields = fields
    extra = 0
    show_change_link = True


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(CeleryPeriodicTaskAdmin, Page):  # type: ignore[misc]  # untyped package
    """The schedule as beat reads it."""

    form = PeriodicTaskForm
    list_display = ("name", "enabled", "scheduler", "args", "last_run_at", "one_off")
    list_filter = ("enabled", "one_off")
    actions = ("enable_tasks", "disable_tasks", "toggle_tasks", "run_now")
    fieldsets = (
        (None, {"fields": ("name", "task", "args", "enabled", "description")}),
        (
            "Schedule",
            {
                "fields": (
                    "interval",
                    "crontab",
                    "crontab_translation",
                    "solar",
                    "clocked",
                    "start_time",
                    "last_run_at",
                    "one_off",
                )
            },
        ),
        ("Execution", {"fields": ("kwargs", "queue", "expires", "expire_seconds")}),
    )

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        """Start what the chosen entries start, whatever the time."""
        for entry in queryset:
            arguments = json.loads(entry.args)
            kind = next((kind for kind in KINDS if arguments == [kind]), entry.args)
            _start(self, request, kind)


def _start(page: Page, request: HttpRequest, kind: str) -> None:
    if kind not in KINDS:
        page.message_user(request, f"“{kind}” is no run of the scheduler.", messages.WARNING)
        return
    job = run_start(kind)
    page.message_user(request, f"Started {kind} as job {job.pk}.")


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(CeleryCrontabScheduleAdmin, Page):  # type: ignore[misc]  # untyped package
    """Schedules in crontab's five fields."""

    inlines = (TaskInline,)


@admin.register(ClockedSchedule)
class ClockedScheduleAdmin(CeleryClockedScheduleAdmin, Page):  # type: ignore[misc]  # untyped package
    """Schedules of one moment."""

    inlines = (TaskInline,)


@admin.register(IntervalSchedule, SolarSchedule)
class ScheduleAdmin(Page):
    """Schedules by interval and by the sun."""

    inlines = (TaskInline,)


@admin.register(DeclaredEntry)
class DeclaredEntryAdmin(WatchAdmin):
    """The schedule as the code declares it."""

    list_display = ("name", "kind")
    fields = ("name", "declared_json")
    readonly_fields = ("declared_json",)
    actions = ("run_now",)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may start runs."""
        return request.user.has_perm("scheduler.change_declaredentry")

    def kind(self, entry: DeclaredEntry) -> str:
        """Show what the entry starts."""
        return str(entry.declared.get("kind", ""))

    @admin.display(description="declared")
    def declared_json(self, entry: DeclaredEntry) -> SafeString | str:
        """Show the declaration."""
        return pretty(entry.declared)

    @admin.action(description="Run now", permissions=["operate"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[DeclaredEntry]) -> None:
        """Start what the chosen entries start, whatever the time."""
        for entry in queryset:
            _start(self, request, self.kind(entry))


@admin.register(Statistics)
class StatisticsAdmin(WatchAdmin):
    """What was counted, and when."""

    list_display = ("created_at", "users", "conversations", "messages", "documents")
    fields = ("created_at", "counts_json")
    readonly_fields = ("counts_json",)
    ordering = ("-id",)

    @admin.display(description="counts")
    def counts_json(self, statistics: Statistics) -> SafeString | str:
        """Show all counts."""
        return pretty(statistics.counts)

    def users(self, statistics: Statistics) -> Any:
        """Show the number of accounts."""
        return statistics.counts.get("users")

    def conversations(self, statistics: Statistics) -> Any:
        """Show the number of conversations."""
        return statistics.counts.get("conversations")

    def messages(self, statistics: Statistics) -> Any:
        """Show the number of messages."""
        return statistics.counts.get("messages")

    def documents(self, statistics: Statistics) -> Any:
        """Show the number of documents."""
        return statistics.counts.get("documents")
