"""The page on which people talk."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
@login_required
def chat(request: HttpRequest) -> HttpResponse:
    """Show the own conversations; the page's script speaks the API as any other client."""
    return render(request, "pages/chat.html")
