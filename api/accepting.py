"""Requests that are accepted as a row with a job, and answered when that job has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import Handler
from api.idempotency import Keyed
from api.waiting import Parked, park
from pipelines.core.errors import NotFound

if TYPE_CHECKING:
    from pipelines.jobs.models import Job


class Worked(Protocol):
    """A row behind which there is a job."""

    pk: UUID
    job: Job | None
    _default_manager: Any


R = TypeVar("R", bound=Worked)


class Accepting(Keyed):
    """A route that is asked for something; a client that asks again with its key gets the same."""

    def accepted(self, request: Request, accept: Callable[[], R], model: type[R]) -> R:
        """Return what a request is accepted as, or what it was accepted as before.

        Raises:
            NotFound: That was deleted since.
        """
        new: list[R] = []

        def create() -> Response:
            new.append(accept())
            return Response({"id": str(new[0].pk)})

        kept = self.once(request, create)
        return new[0] if new else _found(model, kept.data["id"])


def _found(model: type[R], pk: UUID) -> R:
    row: R | None = model._default_manager.select_related("job").filter(pk=pk).first()  # noqa: SLF001 - Django's name for it
    if row is None:
        raise NotFound("What was asked for was deleted.")
    return row


def awaited(
    row: R, show: Callable[[R], HttpResponse], seconds: float, handler: Handler
) -> HttpResponse:
    """Answer with a row when its job has ended, or has let the client wait for so many seconds."""
    if row.job is None or not seconds:
        return show(row)
    pk, model = row.pk, type(row)

    def look(*, is_over: bool) -> HttpResponseBase | None:
        return show(_found(model, pk)) if is_over else None

    return park(show(row), Parked(row.job.pk, seconds, look, handler=handler))
