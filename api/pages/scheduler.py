"""The scheduler's page, for staff."""

from __future__ import annotations

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
@staff_member_required(login_url="admin:login")  # type: ignore[untyped-decorator]
def scheduler(request: HttpRequest) -> HttpResponse:
    """Show the schedule and the statistics, which its script reads anew each 30 seconds."""
    return render(request, "pages/scheduler.html")
