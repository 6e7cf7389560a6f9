"""OpenAI's error body, and how one event or object becomes bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse

Json: TypeAlias = dict[str, Any]

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
# name: status, type, code, message
_FAULTS: dict[str, tuple[int, str, str | None, str]] = {
    "400": (400, "invalid_request_error", "invalid_value", "The request is invalid."),
    "401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "403": (403, "invalid_request_error", None, "You may not use this."),
    "404": (404, "invalid_request_error", None, "Not found."),
    "408": (408, "timeout_error", None, "The request took too long."),
    "409": (409, "conflict_error", None, "The resource was changed meanwhile."),
    "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached."),
    "500": (500, "server_error", "server_error", "The server had an error."),
    "503": (503, "server_error", "service_unavailable", "The server is overloaded."),
    "insufficient_quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
}


class ApiError(Exception):
    """An answer that is an error, in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the error; `kind` is OpenAI's `type` and follows from the status if empty."""
        super().__init__(message)
        self.status = status
        self.headers = headers
        kind = kind or _TYPES.get(status, "invalid_request_error")
        self.body: Json = {
            "error": {"message": message, "type": kind, "param": param, "code": code}
        }


def fault(name: str, retry_after: float | None) -> ApiError:
    """Make the error that a directive orders."""
    status, kind, code, message = _FAULTS[name]
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return ApiError(status, message, code=code, kind=kind, headers=headers)


async def error_answer(_: Request, error: Exception) -> JSONResponse:
    """Answer with an `ApiError`; Starlette calls this when a view raises one."""
    assert isinstance(error, ApiError)
    return JSONResponse(error.body, error.status, headers=error.headers)


def frame(data: Json, *, named: bool = False) -> bytes:
    """Write one server-sent event; `named` repeats the type as the event's name."""
    name = f"event: {data['type']}\n" if named else ""
    return f"{name}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
