"""Health: whether this process answers, and whether a turn could be served."""

from __future__ import annotations

import re
from dataclasses import asdict

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from pipelines.jobs.readiness import readiness

# What stands before the @ of an address is a name and a password.
_CREDENTIALS = re.compile(r"(?<=://)[^\s/]*@")


@require_safe
def healthz(_request: HttpRequest) -> JsonResponse:
    """Say that this process answers; it asks nothing of anybody else."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """Say whether a turn could be served, and if not, what is missing; 503 then."""
    checks = [asdict(check) for check in readiness()]
    for check in checks:
        check["detail"] = _CREDENTIALS.sub("…@", check["detail"])
    is_ready = all(check["ok"] for check in checks)
    return JsonResponse({"ready": is_ready, "checks": checks}, status=200 if is_ready else 503)
