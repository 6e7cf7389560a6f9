"""What the OpenAPI description says about the routes under /v1: whose shapes they have.

The shapes are OpenAI's, which describes them; here they are objects, and errors are spelled out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from api.schema import STREAMED

F = TypeVar("F", bound=Callable[..., Any])


class OpenaiFault(serializers.Serializer[Any]):
    """One error, as OpenAI lays it out."""

    message = serializers.CharField()
    type = serializers.CharField()
    param = serializers.CharField(allow_null=True)
    code = serializers.CharField(allow_null=True)


class OpenaiError(serializers.Serializer[Any]):
    """An error."""

    error = OpenaiFault()


def described(name: str, *, streams: bool = False) -> Callable[[F], F]:
    """Describe a method of a view of OpenAI's.

    Args:
        name: `<noun>_<verb>`, unique.
        streams: Whether the answer may be a stream of events, when that is asked for.
    """
    good: dict[Any, Any] = {(200, "application/json"): OpenApiTypes.OBJECT}
    if streams:
        good[200, "text/event-stream"] = STREAMED

    def describe(method: F) -> F:
        made: F = extend_schema(
            operation_id=f"openai_{name}",
            tags=["openai"],
            request=None if method.__name__ in {"get", "delete"} else OpenApiTypes.OBJECT,
            responses={**good, "4XX": OpenaiError, "5XX": OpenaiError},
        )(method)
        return made

    return describe
