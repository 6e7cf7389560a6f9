"""What all routes under /v1 share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response as Answer
from rest_framework.views import APIView

from api.auth import ApiKeyAuthentication
from api.contracts.openai.errors import openai_response
from api.idempotency import Keyed
from api.parsers import StrictJSONParser
from api.waiting import Parked, park
from pipelines.api_keys.models import ApiKey, Scope
from pipelines.core.errors import NotFound
from pipelines.embeddings.models import Embedding
from pipelines.responses.models import Response

# What a job is behind.
R = TypeVar("R", Response, Embedding)


class OpenAIView(APIView):
    """A route of OpenAI's: its credential is an API key, and its errors are OpenAI's."""

    scope = Scope.OPENAI
    authentication_classes = (ApiKeyAuthentication,)
    parser_classes = (StrictJSONParser,)

    def get_exception_handler(self) -> Callable[..., Any]:
        """Answer errors in OpenAI's form."""
        return openai_response


def key_of(request: Request) -> ApiKey:
    """Return the key that a request shows."""
    return cast("ApiKey", request.auth)


class Asking(OpenAIView, Keyed):
    """A route that is asked for something; a client that asks again with its key gets the same."""

    def accepted(self, request: Request, accept: Callable[[], R], model: type[R]) -> R:
        """Return what a request is accepted as, or what it was accepted as before.

        Raises:
            NotFound: That was deleted since.
        """
        new: list[R] = []

        def create() -> Answer:
            new.append(accept())
            return Answer({"id": str(new[0].pk)})

        kept = self.once(request, create)
        return new[0] if new else _found(model, kept.data["id"])


def _found(model: type[R], pk: UUID) -> R:
    row = model.objects.select_related("job").filter(pk=pk).first()
    if row is None:
        raise NotFound("What this key stands for was deleted.")
    return row


def awaited(row: R, show: Callable[[R], HttpResponse]) -> HttpResponse:
    """Answer with a row when its job has ended, or has let the client wait too long."""
    assert row.job is not None  # it was accepted a moment ago
    pk, model = row.pk, type(row)

    def look(*, is_over: bool) -> HttpResponseBase | None:
        return show(_found(model, pk)) if is_over else None

    return park(show(row), Parked(row.job.pk, settings.OPENAI_WAIT_SECONDS, look))
