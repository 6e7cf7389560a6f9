"""Errors in OpenAI's form, from which its package makes its classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.response import Response

from api.errors import problem_response
from pipelines.core.errors import InvalidInput, RateLimited
from pipelines.jobs.states import ACTIVE, JobState

# OpenAI has no 422, and answers an empty purse as it does an impatient client.
_STATUSES = {402: 429, 422: 400}
_CODES = {402: "insufficient_quota", 401: "invalid_api_key"}
_TYPES = {402: "insufficient_quota", 429: "rate_limit_error"}


class Unsupported(InvalidInput):
    """This parameter is not supported here."""

    code = "unsupported_parameter"
    status = 400


class Unknown(InvalidInput):
    """There is no such parameter."""

    code = "unknown_parameter"
    status = 400


class Malformed(InvalidInput):
    """A parameter is not of its form."""

    code = "invalid_value"
    status = 400


def error_body(kind: str, code: str | None, message: str, param: str | None) -> dict[str, Any]:
    """Lay out one error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def openai_response(error: Exception, context: Mapping[str, Any]) -> Response:
    """Answer an exception that a view raised."""
    answer = problem_response(error, context)
    status, problem = answer.status_code, answer.data
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    fields = problem.get("errors") or [{}]
    answer.data = error_body(
        kind, _CODES.get(status, problem["code"]), problem["detail"], fields[0].get("field")
    )
    answer.status_code = _STATUSES.get(status, status)
    answer.content_type = "application/json"
    return answer


def failure(state: JobState, error: Mapping[str, str] | None) -> tuple[dict[str, Any], int]:
    """Lay out why a job has brought no answer, with the status that says it."""
    if state in ACTIVE:
        return error_body("server_error", "timeout", "The answer takes too long.", None), 504
    if state == JobState.CANCELLED:
        return error_body("server_error", "cancelled", "The answer was cancelled.", None), 409
    told = error or {"code": "internal_error", "detail": "There is no answer."}
    status = 429 if told["code"] == RateLimited.code else 500
    return error_body(
        _TYPES.get(status, "server_error"), told["code"], told["detail"], None
    ), status


@csrf_exempt
def unknown_path(request: HttpRequest) -> JsonResponse:
    """Answer whatever lies under /v1 and is no route of it."""
    message = f"Invalid URL ({request.method} {request.path})"
    return JsonResponse(error_body("invalid_request_error", None, message, None), status=404)
