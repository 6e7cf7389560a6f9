"""Dead letters: the failed jobs of everybody, for staff, to look at and to run again."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.auth import InScope, caller
from api.bodies import read
from api.jobs import KindFilters
from api.schema import operation
from api.shapes import ErrorShape, JobShape, job_bodies
from pipelines.jobs.dead_letters import jobs_replay
from pipelines.jobs.models import Job
from pipelines.jobs.selectors import dead_letters

_LOOKUPS = {
    "ids": "pk__in",
    "kind": "kind",
    "error_code": "error_code",
    "owner": "owner_id",
    "created_after": "created_at__gt",
    "created_before": "created_at__lt",
}


class Watching(BasePermission):
    """Staff who may see jobs in the admin."""

    right = "jobs.view_job"

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Ask for the same right as the admin's page of jobs does."""
        return bool(request.user.is_staff and request.user.has_perm(self.right))


class Operating(Watching):
    """Staff who may run jobs again in the admin."""

    right = "jobs.change_job"


class DeadLetterFilters(KindFilters):
    """Which dead letters are meant."""

    error_code = serializers.CharField(required=False, max_length=64)
    owner = serializers.UUIDField(required=False)


class DeadLetterShape(JobShape):
    """A failed job; `owner` is null for the work of the house."""

    owner = serializers.UUIDField(source="owner_id", allow_null=True)


class ReplayBody(DeadLetterFilters):
    """Which dead letters to run again: those with these ids, or those that the filters choose."""

    ids = serializers.ListField(child=serializers.UUIDField(), required=False, allow_empty=False)

    def validate_ids(self, value: list[Any]) -> list[Any]:
        """Refuse more than REPLAY_MAX_JOBS."""
        if len(value) > (most := settings.REPLAY_MAX_JOBS):
            raise serializers.ValidationError(f"At most {most} jobs at a time.", "max_length")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Demand either of the two, so that nobody runs everything again by mistake."""
        if not attrs or ("ids" in attrs and len(attrs) > 1):
            raise serializers.ValidationError("Give either ids or filters.", "either_or")
        return attrs


class RefusalShape(ErrorShape):
    """A job that was not run again, and why."""

    id = serializers.UUIDField()


class ReplayShape(serializers.Serializer[Any]):
    """How many jobs run again, which do not, and how many more the request means."""

    replayed = serializers.IntegerField()
    refused = RefusalShape(many=True)
    remaining = serializers.IntegerField()


def _chosen(filters: dict[str, Any]) -> QuerySet[Job]:
    return dead_letters().filter(**{_LOOKUPS[name]: value for name, value in filters.items()})


class DeadLetters(ListAPIView[Job]):
    """The failed jobs of everybody."""

    serializer_class = DeadLetterShape
    permission_classes = [Watching, InScope]

    def get_queryset(self) -> QuerySet[Job]:
        """Choose what the filters name."""
        return _chosen(read(DeadLetterFilters, self.request.query_params))

    @operation(
        "deadletters_list", {200: DeadLetterShape(many=True)}, parameters=[DeadLetterFilters]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the failed jobs of everybody, newest first; for staff."""
        page = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response(job_bodies(page, caller(request), DeadLetterShape))


class DeadLetterReplay(APIView):
    """Running again."""

    permission_classes = [Operating, InScope]

    @operation("deadletters_replay", {200: ReplayShape}, request=ReplayBody)
    def post(self, request: Request) -> Response:
        """Run failed jobs again, from the step that failed, the oldest first; for staff."""
        wanted = read(ReplayBody, request.data)
        chosen = _chosen(wanted).order_by("pk").values_list("pk", flat=True)
        named = wanted.get("ids") or list(chosen[: settings.REPLAY_MAX_JOBS])
        done = jobs_replay(job_ids=named)
        refused = [
            {"id": job_id, "code": error.error_code, "detail": error.detail}
            for job_id, error in done.refused.items()
        ]
        counts = {"replayed": len(done.replayed), "remaining": chosen.count()}
        return Response(ReplayShape({**counts, "refused": refused}).data)
