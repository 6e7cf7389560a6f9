"""Jobs: list, read, cancel, run again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponseBase
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.auth import caller
from api.bodies import read
from api.polling import IF_NONE_MATCH, WAIT, poll
from api.schema import operation
from api.shapes import JobShape, job_bodies, job_body
from pipelines.core.errors import Conflict
from pipelines.core.steps import Undeclared, pipeline
from pipelines.jobs.models import Job
from pipelines.jobs.selectors import job_get, job_see, jobs_of
from pipelines.jobs.services import job_cancel, job_replay
from pipelines.jobs.states import ACTIVE, JobState

_LOOKUPS = {
    "state": "state",
    "kind": "kind",
    "parent": "parent_id",
    "created_after": "created_at__gt",
    "created_before": "created_at__lt",
}


class KindFilters(serializers.Serializer[Any]):
    """Which kind of jobs, and of when."""

    kind = serializers.CharField(required=False)
    created_after = serializers.DateTimeField(required=False)
    created_before = serializers.DateTimeField(required=False)

    def validate_kind(self, value: str) -> str:
        """Refuse a kind that no pipeline declares."""
        try:
            return pipeline(value).kind
        except Undeclared as error:
            raise serializers.ValidationError(
                "There is no such kind of job.", "unknown_kind"
            ) from error


class JobFilters(KindFilters):
    """Which jobs to list."""

    state = serializers.ChoiceField(choices=JobState.choices, required=False)
    parent = serializers.UUIDField(required=False)  # type: ignore[assignment] # as in JobShape


class Jobs(ListAPIView[Job]):
    """The own jobs."""

    serializer_class = JobShape

    def get_queryset(self) -> QuerySet[Job]:
        """Choose the jobs that the filters name."""
        filters = read(JobFilters, self.request.query_params)
        chosen = {_LOOKUPS[name]: value for name, value in filters.items()}
        return jobs_of(caller(self.request)).filter(**chosen)

    @operation("jobs_list", {200: JobShape(many=True)}, parameters=[JobFilters])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the own jobs, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(job_bodies(page or [], caller(request)))


class JobView(APIView):
    """One job."""

    @operation("jobs_get", {200: JobShape, 304: None}, parameters=[WAIT, IF_NONE_MATCH])
    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        """Read a job of one's own; staff read those of the house, too."""
        return poll(request, job_see(caller(request), job_id))


class JobCancel(APIView):
    """Cancelling."""

    @operation("jobs_cancel", {200: JobShape}, request=None)
    def post(self, request: Request, job_id: UUID) -> Response:
        """Cancel a job that has not ended."""
        job = job_get(caller(request), job_id)
        if job.state not in ACTIVE or job_cancel(job_id=job.pk).state != JobState.CANCELLED:
            raise Conflict("This job has ended already.", code="already_ended")
        return Response(job_body(job_get(caller(request), job_id), caller(request)))


class JobRetry(APIView):
    """Running again."""

    @operation("jobs_retry", {200: JobShape}, request=None)
    def post(self, request: Request, job_id: UUID) -> Response:
        """Run a failed job again, from the step that failed."""
        job_replay(job_id=job_get(caller(request), job_id).pk)
        return Response(job_body(job_get(caller(request), job_id), caller(request)))
