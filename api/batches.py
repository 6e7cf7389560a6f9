"""Batches: thousands of turns in one request, whose progress is counted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.auth import caller
from api.bodies import Text, read
from api.chat import SaidBody
from api.errors import RETRY_AFTER
from api.idempotency import Creating
from api.pagination import InOrder
from api.parsers import StrictJSONParser
from api.schema import operation
from api.shapes import ErrorShape, error_of
from pipelines.batches import selectors, services
from pipelines.batches.models import Batch, BatchState, BatchTurn
from pipelines.jobs.states import JobState


class BatchParser(StrictJSONParser):
    """Takes bodies of BATCH_MAX_BYTES."""

    limit = "BATCH_MAX_BYTES"


class BatchTurnBody(SaidBody):
    """One turn of a batch, under the client's own name for it."""

    custom_id = Text(max_length=64, required=False)


class BatchBody(serializers.Serializer[Any]):
    """A batch."""

    turns = BatchTurnBody(many=True)
    metadata = serializers.DictField(required=False)


class CountsShape(serializers.Serializer[Any]):
    """A batch's turns by state: those of jobs, and before and without one."""

    waiting = serializers.IntegerField()
    refused = serializers.IntegerField()
    queued = serializers.IntegerField()
    in_progress = serializers.IntegerField()
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    incomplete = serializers.IntegerField()


class BatchShape(serializers.Serializer[Any]):
    """A batch."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=BatchState.choices)
    total = serializers.IntegerField()
    counts = serializers.SerializerMethodField()
    metadata = serializers.DictField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(CountsShape)
    def get_counts(self, batch: Batch) -> dict[str, int]:
        """Count the turns."""
        return selectors.counts_of(batch)


class BatchTurnShape(serializers.Serializer[Any]):
    """One turn of a batch; without a job it waits, or `error` says why it was never accepted."""

    position = serializers.IntegerField()
    custom_id = serializers.CharField()
    job_id = serializers.UUIDField(allow_null=True)
    state = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    result = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ChoiceField(choices=JobState.choices, allow_null=True))
    def get_state(self, turn: BatchTurn) -> str | None:
        """Say how its job stands."""
        return turn.job.state if turn.job else None

    @extend_schema_field(ErrorShape(allow_null=True))
    def get_error(self, turn: BatchTurn) -> dict[str, str] | None:
        """Say why it was not accepted, or why its job failed."""
        return error_of(turn.job or turn)

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_result(self, turn: BatchTurn) -> Any:
        """Show what its job left behind."""
        return turn.job.output if turn.job else None


class Batches(Creating, ListAPIView[Batch]):
    """The own batches."""

    serializer_class = BatchShape
    parser_classes = (BatchParser,)

    def get_queryset(self) -> QuerySet[Batch]:
        """Choose the caller's."""
        return selectors.batches_of(caller(self.request))

    @operation("batches_list", {200: BatchShape(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the own batches, newest first."""
        return super().get(request, *args, **kwargs)

    @operation("batches_create", {202: BatchShape}, request=BatchBody)
    def post(self, request: Request) -> Response:
        """Send many turns that nobody waits for; everything else overtakes them."""
        body = read(BatchBody, request.data)
        turns = [_plain(turn) for turn in body.pop("turns")]
        batch = services.batch_accept(owner=caller(request), turns=turns, **body)
        headers = {"Location": reverse("batch", args=[batch.pk]), "Retry-After": str(RETRY_AFTER)}
        return Response(BatchShape(batch).data, status=202, headers=headers)


def _plain(turn: dict[str, Any]) -> dict[str, Any]:
    """Write the ids of a validated turn as texts again, as they are kept."""
    named = {**turn}
    if (conversation := turn.get("conversation_id")) is not None:
        named["conversation_id"] = str(conversation)
    if (collections := turn.get("collections")) is not None:
        named["collections"] = [str(collection) for collection in collections]
    return named


class BatchView(APIView):
    """One batch."""

    @operation("batches_get", {200: BatchShape})
    def get(self, request: Request, batch_id: UUID) -> Response:
        """Read a batch, and how many of its turns are where."""
        return Response(BatchShape(selectors.batch_get(caller(request), batch_id)).data)


class BatchTurns(ListAPIView[BatchTurn]):
    """The turns of a batch."""

    serializer_class = BatchTurnShape
    pagination_class = InOrder

    def get_queryset(self) -> QuerySet[BatchTurn]:
        """Choose those of one of the caller's batches."""
        found = selectors.batch_get(caller(self.request), self.kwargs["batch_id"])
        return selectors.turns_of(found)

    @operation(
        "batches_turns",
        {200: BatchTurnShape(many=True)},
        parameters=[OpenApiParameter("batch_id", OpenApiTypes.UUID, OpenApiParameter.PATH)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the turns of a batch in their order, with what came of each."""
        return super().get(request, *args, **kwargs)


class BatchCancel(APIView):
    """Cancelling."""

    @operation("batches_cancel", {200: BatchShape}, request=None)
    def post(self, request: Request, batch_id: UUID) -> Response:
        """Cancel what has not ended of a batch."""
        found = selectors.batch_get(caller(request), batch_id)
        return Response(BatchShape(services.batch_cancel(batch=found)).data)
