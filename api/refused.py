"""What the log tells of whoever was refused: where, and by which account from which address."""

from __future__ import annotations

from typing import Final

import structlog
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from api.addresses import client_address

log = structlog.get_logger(__name__)

# No credential that is good, no right to do this, and too often.
_REFUSALS: Final = {401, 403, 429}


def log_refusal(request: HttpRequest, response: HttpResponseBase) -> None:
    """Log an answer that refuses; whatever was shown to be let in is left out."""
    if response.status_code not in _REFUSALS:
        return
    user = getattr(request, "user", None)  # a request that was refused early has none
    log.warning(
        "api.refused",
        status=response.status_code,
        method=request.method,
        path=request.path,
        account=str(user.pk) if user is not None and user.is_authenticated else "",
        address=client_address(request),
    )
