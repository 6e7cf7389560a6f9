"""Deadlines: until when a client wants a job done; a job that is not is ended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from api.bodies import read
from pipelines.core.errors import InvalidInput

_SPAN = re.compile(r"(\d{1,9})([smh]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600}

CANCEL_AFTER = OpenApiParameter(
    "Cancel-After",
    {"type": "string", "pattern": "^[0-9]{1,9}[smh]?$"},
    OpenApiParameter.HEADER,
    description="How long the job may take: `90`, `90s`, `5m`, `1h`. What is not done then fails.",
)


class DeadlineField(serializers.DateTimeField):
    """A moment in the future, at most CANCEL_AFTER_MAX_SECONDS away."""

    default_error_messages = {
        "past": "The deadline has passed.",
        "too_far": "The deadline is more than {seconds} seconds away.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        """Refuse a moment out of bounds; otherwise as its parent does."""
        moment = super().to_internal_value(value)
        now, most = timezone.now(), settings.CANCEL_AFTER_MAX_SECONDS
        if moment <= now:
            self.fail("past")
        if moment - now > timedelta(seconds=most):
            self.fail("too_far", seconds=most)
        return moment


class TimedBody(serializers.Serializer[Any]):
    """What asks for a job, and until when it is wanted."""

    deadline = DeadlineField(required=False, allow_null=True)


def read_timed(body: type[TimedBody], request: Request) -> dict[str, Any]:
    """Validate what a client sent; `deadline` is the earlier of the body's and the header's.

    Raises:
        ValidationError: The body is wrong.
        InvalidInput: The header is wrong.
    """
    fields = read(body, request.data)
    asked = [fields.get("deadline"), _cancel_after(request.headers)]
    return {**fields, "deadline": min(filter(None, asked), default=None)}


def _cancel_after(headers: Mapping[str, str]) -> datetime | None:
    """Read `Cancel-After`, in Replicate's form; None without it."""
    raw = headers.get("Cancel-After")
    if raw is None:
        return None
    least, most = settings.CANCEL_AFTER_MIN_SECONDS, settings.CANCEL_AFTER_MAX_SECONDS
    found = _SPAN.fullmatch(raw.strip())
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not least <= seconds <= most:
        raise InvalidInput(
            f"Cancel-After is a number of seconds, minutes or hours, such as 90, 90s, 5m or 1h, "
            f"from {least} to {most} seconds.",
            code="invalid_cancel_after",
            field="Cancel-After",
        )
    return timezone.now() + timedelta(seconds=seconds)
