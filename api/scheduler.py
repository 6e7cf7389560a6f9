"""The scheduler: what runs by the clock, and starting it by hand; for staff."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.auth import InScope, caller
from api.bodies import read
from api.idempotency import Creating
from api.schema import operation
from api.shapes import ChildShape, JobShape, accepted
from pipelines.jobs.nodes import nodes_alive
from pipelines.scheduler import selectors
from pipelines.scheduler.pipeline import TASKS
from pipelines.scheduler.services import run_start
from pipelines.scheduler.statistics import count


class TriggerBody(serializers.Serializer[Any]):
    """What to run."""

    task = serializers.ChoiceField(choices=list(TASKS), required=False, default="all")


class TriggeredShape(serializers.Serializer[Any]):
    """What was started."""

    task = serializers.CharField()
    message = serializers.CharField()
    job = JobShape()


class BeatShape(serializers.Serializer[Any]):
    """A beat that is alive."""

    name = serializers.CharField()
    seen_at = serializers.DateTimeField()


class ScheduleEntryShape(serializers.Serializer[Any]):
    """One entry of the schedule."""

    name = serializers.CharField()
    enabled = serializers.BooleanField(source="is_enabled")
    schedule = serializers.CharField()
    kind = serializers.CharField()
    last_run = serializers.DateTimeField(source="last_at", allow_null=True)
    next_run = serializers.DateTimeField(source="next_at", allow_null=True)
    last_job = ChildShape(allow_null=True)


class StatusShape(serializers.Serializer[Any]):
    """Whether anything runs by the clock, and what."""

    running = serializers.BooleanField()
    beats = BeatShape(many=True)
    entries = ScheduleEntryShape(many=True)


class RecordedShape(serializers.Serializer[Any]):
    """Counts of a moment."""

    counts = serializers.DictField()
    created_at = serializers.DateTimeField()


class StatisticsShape(serializers.Serializer[Any]):
    """The counts of now, and the ones that were recorded last."""

    current = serializers.DictField()
    recorded = RecordedShape(allow_null=True)


class _ForStaff(APIView):
    """What staff alone may see; no key may come in."""

    permission_classes = [IsAdminUser, InScope]
    scope = None


class Status(_ForStaff):
    """The schedule."""

    @operation("scheduler_status", {200: StatusShape})
    def get(self, request: Request) -> Response:
        """Show whether beat is alive, and each entry of the schedule."""
        beats = nodes_alive("beat")
        body = {"running": bool(beats), "beats": beats, "entries": [*selectors.schedule_runs()]}
        return Response(StatusShape(body).data)


class Trigger(_ForStaff, Creating):
    """Starting a run by hand."""

    @operation("scheduler_trigger", {202: TriggeredShape}, request=TriggerBody)
    def post(self, request: Request) -> Response:
        """Start a run now, as a job."""
        task = read(TriggerBody, request.data)["task"]
        job = run_start(TASKS[task].kind)
        message = f"Started: {task}."
        return accepted(job, caller(request), "job", task=task, message=message)


class Statistics(_ForStaff):
    """The house in numbers."""

    @operation("scheduler_statistics", {200: StatisticsShape})
    def get(self, request: Request) -> Response:
        """Count now, and show what was recorded last."""
        body = {"current": count(), "recorded": selectors.statistics_latest()}
        return Response(StatisticsShape(body).data)
