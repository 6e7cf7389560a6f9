"""Asking for a job: at once or with patience, and only for what is new."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any, cast
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.urls import Resolver404, resolve
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import OpenApiParameter
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from api.auth import caller, django_request
from api.shapes import job_body, retry_after
from api.waiting import Parked, asked_wait, park, preferred_wait
from pipelines.jobs.models import Job
from pipelines.jobs.selectors import job_see
from pipelines.jobs.states import ACTIVE

WAIT = OpenApiParameter(
    "wait",
    {"type": "integer", "minimum": 0},
    OpenApiParameter.QUERY,
    description=(
        "Seconds for which the answer is held back: until the job has ended or, with "
        "`If-None-Match`, until it has changed."
    ),
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="The `ETag` of the last answer; 304 while the job is as it was.",
)


def poll(request: Request, job: Job) -> HttpResponseBase:
    """Answer with a job, or 304 when the client knows it; wait with that if it is asked for."""
    seconds = asked_wait(request)
    now = _look(request, job)
    if not seconds or job.state not in ACTIVE:
        return now
    is_asking_for_news = "If-None-Match" in request.headers
    if is_asking_for_news and now.status_code != 304:
        return now

    def look(*, is_over: bool) -> HttpResponseBase | None:
        later = _look(request, job_see(caller(request), job.pk))
        return later if is_over or later.status_code != 304 else None

    return park(now, Parked(job.pk, seconds, look, at_any_news=is_asking_for_news))


def _look(request: Request, job: Job) -> HttpResponseBase:
    response = rendered(job_body(job, caller(request)))
    response["ETag"] = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    if job.state in ACTIVE:
        response["Retry-After"] = str(retry_after(job))
    found = get_conditional_response(django_request(request), response["ETag"], response=response)
    return cast("HttpResponseBase", found)


def rendered(body: Any, status: int = 200) -> HttpResponse:
    """Answer with JSON, for what is made outside of a view's own turn."""
    content = JSONRenderer().render(body)
    return HttpResponse(content, status=status, content_type="application/json")


def await_created(request: Request, response: Response) -> Response:
    """Hold a 202 back, as `Prefer: wait=N` asks for, until the job behind it has ended."""
    seconds = preferred_wait(request)
    job_id = _job_at(response.get("Location", ""))
    if response.status_code != 202 or not seconds or job_id is None:
        return response
    return park(response, Parked(job_id, seconds, partial(_created, request, response, job_id)))


def _job_at(location: str) -> UUID | None:
    try:
        found = resolve(location)
    except Resolver404:
        return None
    return found.kwargs["job_id"] if found.url_name == "job" else None


def _created(
    request: Request, response: Response, job_id: UUID, *, is_over: bool
) -> HttpResponseBase | None:
    """Put the job as it is now in the place of the one that was accepted."""
    if not is_over:
        return None
    job = job_see(caller(request), job_id)
    now, accepted = job_body(job, caller(request)), dict(response.data)
    wrap = next((name for name, value in accepted.items() if _is_job(value, job_id)), None)
    body = {**accepted, **({wrap: now} if wrap else now)}
    has_ended = job.state not in ACTIVE
    later = rendered(body, status=200 if has_ended else 202)
    if not has_ended:
        later["Retry-After"] = str(retry_after(job))
    return later


def _is_job(value: Any, job_id: UUID) -> bool:
    return isinstance(value, dict) and value.get("id") == str(job_id)
