"""The landing page, and the outbox that staff may read."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final

from django.conf import settings
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from pipelines.mail.selectors import emails_latest

# Own style sheets and nothing else: no script, no frame, no other site.
CSP: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
OUTBOX_LENGTH: Final = 50

View = Callable[[HttpRequest], HttpResponse]


def _guarded(view: View) -> View:
    """Send the content security policy with a page."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        response = view(request)
        response["Content-Security-Policy"] = CSP
        return response

    return guarded


@require_safe
@_guarded
def landing(request: HttpRequest) -> HttpResponse:
    """Say what this is, and how to begin."""
    return render(request, "pages/landing.html", {"public_url": settings.PUBLIC_URL})


@require_safe
@staff_member_required(login_url="admin:login")  # type: ignore[untyped-decorator]
@_guarded
def outbox(request: HttpRequest) -> HttpResponse:
    """Show the newest e-mails to staff, texts included."""
    response = render(request, "pages/outbox.html", {"emails": emails_latest(OUTBOX_LENGTH)})
    response["Cache-Control"] = "no-store"
    return response
