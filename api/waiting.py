"""Waiting for a job: a request is parked until it has news, and holds no thread meanwhile."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from api.errors import Handler, problem, problem_response
from api.following import Feed, hub
from pipelines.core.errors import InvalidInput
from pipelines.jobs.admission import Overloaded

T = TypeVar("T", bound=HttpResponseBase)
InThread = Callable[..., Awaitable[Any]]

_PREFERENCE = re.compile(r'(?ai)(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])')
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
# What the answer at the end of a wait says for itself.
_OWN_HEADERS = {"content-length", "content-type", "etag", "retry-after"}

PREFER = OpenApiParameter(
    "Prefer",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="`wait=N` holds the answer back for up to N seconds, until the job has ended.",
)
APPLIED = OpenApiParameter(
    "Preference-Applied",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="What of `Prefer` was heeded, such as `wait=10`.",
    response=[200, 202],
)


def preferred_wait(request: Request) -> int:
    """Return the seconds that `Prefer: wait=N` asks for, within the limit; 0 without it."""
    found = _PREFERENCE.search(request.headers.get("Prefer", ""))
    return min(int(found[1]), settings.WAIT_MAX_SECONDS) if found else 0


def asked_wait(request: Request) -> int:
    """Return the seconds that `?wait=N` asks for; 0 without it.

    Raises:
        InvalidInput: It is no number, or more than WAIT_MAX_SECONDS.
    """
    raw = request.query_params.get("wait", "0")
    limit = settings.WAIT_MAX_SECONDS
    if not _SECONDS.fullmatch(raw) or int(raw) > limit:
        raise InvalidInput(
            f"wait is a number of seconds, from 0 to {limit}.", code="invalid_wait", field="wait"
        )
    return int(raw)


class Look(Protocol):
    """Looks, in a thread, what there is to answer by now."""

    def __call__(self, *, is_over: bool) -> HttpResponseBase | None:
        """Return the answer; None to wait on, unless the wait is over."""


@dataclass(frozen=True)
class Parked:
    """An answer that waits for a job.

    Attributes:
        job_id: The job.
        seconds: For how long at most.
        look: What is asked for the answer when the wait is over.
        at_any_news: Ask it whenever something happened to the job, too.
        handler: What answers an error of the looking.
    """

    job_id: UUID
    seconds: float
    look: Look
    at_any_news: bool = False
    handler: Handler = problem_response

    async def wait(self, now: HttpResponseBase, in_thread: InThread) -> HttpResponseBase:
        """Wait, and return what there is then; `now` is what there was at once."""
        try:
            async with hub().follow(self.job_id) as feed:
                later = await self._wait(feed, in_thread)
        except Overloaded:
            return now
        for name, value in now.items():
            if name.lower() not in _OWN_HEADERS and name not in later:
                later[name] = value
        later.cookies = now.cookies
        later["Preference-Applied"] = f"wait={self.seconds}"
        if isinstance(later, HttpResponse) and later.status_code != 304:
            later["Content-Length"] = str(len(later.content))
        return later

    async def _wait(self, feed: Feed, in_thread: InThread) -> HttpResponseBase:
        deadline = asyncio.get_running_loop().time() + self.seconds
        while True:
            news = feed.news
            is_over = feed.has_ended or asyncio.get_running_loop().time() >= deadline
            if is_over or (self.at_any_news and feed.log is not None):
                answer: HttpResponseBase | None = await in_thread(self._look, is_over)
                if answer is not None:
                    return answer
            with suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await news.wait()

    def _look(self, is_over: bool) -> HttpResponseBase | None:
        try:
            return self.look(is_over=is_over)
        except Exception as error:  # noqa: BLE001 - as in any view, each becomes an answer
            return problem(error, self.handler)


def park(response: T, parked: Parked) -> T:
    """Have an answer wait; see `api.handler`."""
    response.parked = parked  # type: ignore[attr-defined]
    return response
