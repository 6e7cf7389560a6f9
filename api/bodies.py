"""What all bodies share: strict texts, small JSON objects, and one way to read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework import serializers


class Text(serializers.CharField):
    """A text; a number or a truth value is none."""

    def to_internal_value(self, data: Any) -> str:
        """Refuse what is no text; otherwise as its parent does."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class JsonObject(serializers.DictField):
    """A client's own JSON object, of at most METADATA_MAX_BYTES."""

    default_error_messages = {"too_large": "It has at most {limit} bytes of JSON."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Refuse what is too large; otherwise as its parent does."""
        value: dict[str, Any] = super().to_internal_value(data)
        if len(json.dumps(value)) > (limit := settings.METADATA_MAX_BYTES):
            self.fail("too_large", limit=limit)
        return value


def read(body: type[serializers.Serializer[Any]], data: Any, **options: Any) -> dict[str, Any]:
    """Validate what a client sent; raises ValidationError, which becomes a 422."""
    serializer = body(data=data, **options)
    serializer.is_valid(raise_exception=True)
    validated: Mapping[str, Any] = serializer.validated_data
    return dict(validated)
