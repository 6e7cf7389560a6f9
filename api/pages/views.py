"""The landing page, and the outbox that staff may read."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from pipelines.mail.selectors import emails_latest

OUTBOX_LENGTH: Final = 50


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """Say what this is, and how to begin."""
    return render(request, "pages/landing.html", {"public_url": settings.PUBLIC_URL})


@require_safe
@staff_member_required(login_url="admin:login")  # type: ignore[untyped-decorator]
def outbox(request: HttpRequest) -> HttpResponse:
    """Show the newest e-mails to staff; their texts only where they go no further than a file.

    A text may hold a link to sign in by, which is for the mailbox's owner alone.
    """
    context = {
        "emails": emails_latest(OUTBOX_LENGTH),
        "shows_texts": settings.MAIL_TRANSPORT == "files",
    }
    return render(request, "pages/outbox.html", context)
