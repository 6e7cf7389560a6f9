"""Reports: Markdown that becomes a PDF, and goes by e-mail if wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.auth import caller
from api.bodies import Text
from api.deadlines import CANCEL_AFTER, TimedBody, read_timed
from api.idempotency import Creating
from api.schema import operation
from api.shapes import ArtifactShape, JobShape, accepted
from pipelines.core.errors import InvalidInput
from pipelines.jobs.states import JobState
from pipelines.reports import selectors, services
from pipelines.reports.models import Report

if TYPE_CHECKING:
    from pipelines.accounts.models import User


class ReportBody(TimedBody):
    """A report to be made."""

    title = Text(max_length=200)
    # What the content may be is the service's to say.
    content = Text(allow_blank=True, trim_whitespace=False)
    email = serializers.BooleanField(default=False)


class ReportSummary(serializers.Serializer[Any]):
    """A report; job, state and files go when the job is too old to be kept."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    job_id = serializers.UUIDField(allow_null=True)
    state = serializers.SerializerMethodField()
    artifacts = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    @extend_schema_field(serializers.ChoiceField(choices=JobState.choices, allow_null=True))
    def get_state(self, report: Report) -> str | None:
        """Say where the report's job stands."""
        return report.job.state if report.job else None

    @extend_schema_field(ArtifactShape(many=True))
    def get_artifacts(self, report: Report) -> Any:
        """Name the report's files."""
        return ArtifactShape(report.job.artifacts.all(), many=True).data if report.job else []


class ReportShape(ReportSummary):
    """A report with its text."""

    content = serializers.CharField()


class ReportAccepted(serializers.Serializer[Any]):
    """A report, and the job that makes it."""

    report = ReportShape()
    job = JobShape()


def _own_address(user: User) -> str:
    """Return the one address to which a report may go."""
    if not user.email_verified:
        raise InvalidInput(
            "Verify your e-mail address first: reports go nowhere else.",
            code="email_unverified",
            field="email",
        )
    return user.email


class Reports(Creating, ListAPIView[Report]):
    """Reports."""

    serializer_class = ReportSummary

    def get_queryset(self) -> QuerySet[Report]:
        """Choose the caller's."""
        return selectors.reports_of(caller(self.request)).defer("content")

    @operation("reports_list", {200: ReportSummary(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the own reports, newest first."""
        return super().get(request, *args, **kwargs)

    @operation(
        "reports_create", {202: ReportAccepted}, request=ReportBody, parameters=[CANCEL_AFTER]
    )
    def post(self, request: Request) -> Response:
        """Make a PDF of Markdown; send it to the own verified address if wanted."""
        body, user = read_timed(ReportBody, request), caller(request)
        mail_to = _own_address(user) if body.pop("email") else ""
        report = services.report_request(owner=user, mail_to=mail_to, **body)
        return accepted(report.job, user, wrap="job", report=ReportShape(report).data)


class ReportView(APIView):
    """One report."""

    @operation("reports_get", {200: ReportShape})
    def get(self, request: Request, report_id: UUID) -> Response:
        """Read a report."""
        return Response(ReportShape(selectors.report_get(caller(request), report_id)).data)
