"""How a request for a page is told to come back later, as the API tells it in its own form."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from math import ceil

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from api.errors import RETRY_AFTER
from pipelines.core.errors import TransientError


class Refusals:
    """Middleware that shows a page for what may succeed later; the API answers by itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Remember what comes next."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass by."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Say why, and when to come back."""
        if not isinstance(error, TransientError):
            return None
        said = {"title": HTTPStatus(error.status).phrase, "sentence": error.detail}
        page = render(request, "pages/said.html", said, status=error.status)
        page["Retry-After"] = str(max(1, ceil(error.retry_after or RETRY_AFTER)))
        return page
