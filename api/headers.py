"""What every answer says to a browser: what it may load, keep and tell others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch

from api.refused import log_refusal
from api.throttles import tell_counts

_NOTHING: Final = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_PAGE: Final = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# Our own pages: files of this house, nothing inside the page.
PAGES: Final = _PAGE.format(script="'self'", style="'self'")
# The admin's scripts (Alpine) are files, too, but make functions of the attributes that they
# read, and its pages have styles in them. No script stands in a page, so none can be slipped in.
_ADMIN: Final = _PAGE.format(script="'self' 'unsafe-eval'", style="'self' 'unsafe-inline'")
_DOCS: Final = _PAGE.format(script="'self'", style="'self' 'unsafe-inline'")

_EVERYWHERE: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
        "magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
# Routes whose answer is the same for everybody.
_PUBLIC: Final = {"landing", "schema", "docs"}


class Headers:
    """Middleware, the outermost: no answer leaves without these."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Remember what comes next."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add what an answer lacks, and log it if it refuses."""
        response = guard(self._get_response(request), request.resolver_match)
        tell_counts(request, response)
        log_refusal(request, response)
        return response


def guard(response: HttpResponseBase, match: ResolverMatch | None = None) -> HttpResponseBase:
    """Add what an answer lacks; `match` is the route that gave it, if any."""
    for name, value in _EVERYWHERE.items():
        response[name] = value
    if "Content-Security-Policy" not in response:
        is_page = response.get("Content-Type", "").startswith("text/html")
        response["Content-Security-Policy"] = _policy(match) if is_page else _NOTHING
    if "Cache-Control" not in response and (match is None or match.url_name not in _PUBLIC):
        response["Cache-Control"] = "no-store"
    return response


def _policy(match: ResolverMatch | None) -> str:
    if match is None:
        return PAGES
    if match.app_name == "admin":
        return _ADMIN
    return _DOCS if match.url_name == "docs" else PAGES
