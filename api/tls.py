"""What comes in the clear where everything should come by TLS."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from api.errors import problem
from pipelines.core.errors import InvalidInput

# Programs' addresses; a person's browser is sent on by Django's own middleware.
_PROGRAMS = ("/api/", "/v1/")


class InTheClear(InvalidInput):
    """Send this by https: what came in the clear may have been read on its way."""

    code = "https_required"
    status = 403


class RefusesInTheClear:
    """Middleware that sends no program on, which would show its credential again each time."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Remember what comes next."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Refuse, or pass by."""
        wants_tls = settings.SECURE_SSL_REDIRECT and not request.is_secure()
        if wants_tls and request.path.startswith(_PROGRAMS):
            return problem(InTheClear())
        return self._get_response(request)
