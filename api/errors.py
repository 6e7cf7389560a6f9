"""How an error becomes HTTP: RFC 9457 problem details, each with a stable `code`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import singledispatch
from http import HTTPStatus
from math import ceil
from typing import Any

import structlog
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from pipelines.core.errors import InvalidInput, NotFound, TransientError, TurnpikeError

log = structlog.get_logger(__name__)

# Answers an exception that a view raised; REST framework calls it with the view's context.
Handler = Callable[[Exception, Mapping[str, Any]], Response]
PROBLEM_JSON = "application/problem+json"
# Seconds after which a client may ask again when nothing better is known.
RETRY_AFTER = 1
# … and at most, when something is known: it may come sooner than was thought.
RETRY_AFTER_MAX = 60


def problem_body(
    status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """Lay out one problem; `errors` names the fields at fault, as {field, code, detail} each."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    return {**body, "errors": errors} if errors else body


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response:  # noqa: ARG001
    """Answer an exception that a view raised; REST framework calls this."""
    set_rollback()
    response = _problem(error)
    response.content_type = PROBLEM_JSON
    return response


@csrf_exempt
def unknown_path(request: HttpRequest) -> JsonResponse:
    """Answer, in JSON too, whatever lies under the API's prefix and is no route of it."""
    detail = "There is nothing at this address."
    if not request.path.endswith("/"):
        detail += " Addresses here end with a slash."
    return problem(NotFound(detail))


def problem(error: Exception, handler: Handler = problem_response) -> JsonResponse:
    """Answer an exception that was raised outside of REST framework's views, as `handler` would."""
    answer = handler(error, {})
    response = JsonResponse(
        answer.data, status=answer.status_code, content_type=answer.content_type
    )
    for name in answer.headers.keys() - {"Content-Type"}:
        response[name] = answer[name]
    return response


@singledispatch
def _problem(error: Exception) -> Response:
    """Hide what nobody foresaw: the log has it, the client gets no internals."""
    log.error("api.unhandled", exc_info=error)
    return _answer(500, "internal_error", "Something went wrong inside Turnpike.")


def _answer(
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    return Response(problem_body(status, code, detail, errors), status=status, headers=headers)


@_problem.register
def _(error: TurnpikeError) -> Response:
    headers = {}
    if isinstance(error, TransientError):
        headers["Retry-After"] = str(max(1, ceil(error.retry_after or RETRY_AFTER)))
    errors = None
    if isinstance(error, InvalidInput) and error.field:
        errors = [{"field": error.field, "code": error.error_code, "detail": error.detail}]
    return _answer(error.status, error.error_code, error.detail, errors=errors, headers=headers)


@_problem.register
def _(error: exceptions.APIException) -> Response:
    detail: Any = error.detail
    code = getattr(detail, "code", error.default_code)
    if isinstance(detail, dict):  # simplejwt's, which also lists each kind of token that it tried
        detail, code = detail.get("detail", ""), detail.get("code", code)
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(ceil(wait))
    return _answer(
        error.status_code, _CODES.get(type(error), str(code)), str(detail), headers=headers
    )


_CODES: dict[type[exceptions.APIException], str] = {
    exceptions.ParseError: "malformed",
    exceptions.Throttled: "too_many_requests",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
}


@_problem.register
def _(error: exceptions.ValidationError) -> Response:
    errors = list(_flat(error.detail))
    first = errors[0]
    detail = f"{first['field']}: {first['detail']}" if first["field"] else first["detail"]
    return _answer(422, "invalid_input", detail, errors=errors)


def _flat(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Yield each error of a nested detail with its field's path, such as `collections.0`."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            is_named = name != "non_field_errors"
            yield from _flat(inner, ".".join(filter(None, [path, str(name) if is_named else ""])))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _flat(inner, path)
    else:
        yield {
            "field": path,
            "code": str(getattr(detail, "code", "invalid")),
            "detail": str(detail),
        }


@_problem.register
def _(_error: Http404) -> Response:
    return _answer(404, "not_found", "There is nothing at this address.")


@_problem.register
def _(_error: PermissionDenied) -> Response:
    return _answer(403, "permission_denied", "You may not do this.")


@_problem.register
def _(_error: RequestDataTooBig) -> Response:
    return _answer(413, "too_large", "The body is larger than its limit.")


# Each is a body or a header that Django itself could not read.
@_problem.register(BadRequest)
@_problem.register(SuspiciousOperation)
@_problem.register(MultiPartParserError)
def _(_error: Exception) -> Response:
    return _answer(400, "malformed", "The request cannot be read.")


@_problem.register(OperationalError)
@_problem.register(InterfaceError)
def _(error: Exception) -> Response:
    log.error("api.database_unavailable", exc_info=error)
    headers = {"Retry-After": str(RETRY_AFTER)}
    return _answer(503, "unavailable", "The database cannot be reached just now.", headers=headers)
