"""What the OpenAPI description says about every route."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers

from api.errors import PROBLEM_JSON

F = TypeVar("F", bound=Callable[..., Any])


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The description of API keys."""

    target_class = "api.auth.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Describe the scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "From `/api/v1/api-keys/`.",
        }


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    """The description of access tokens."""

    target_class = "api.auth.TokenAuthentication"


class FieldProblem(serializers.Serializer[Any]):
    """A field at fault."""

    field = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """RFC 9457 problem details; `code` is stable, `detail` is for people."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    # A declared field leaves the serializer's own attribute of this name alone.
    errors = FieldProblem(many=True, required=False)  # type: ignore[assignment]


# One event of a stream, as its fields come; `data` is JSON.
STREAMED = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
    "required": ["data"],
}


class Detail(serializers.Serializer[Any]):
    """One sentence."""

    detail = serializers.CharField()


def one_spelling(endpoints: list[Any], **_: Any) -> list[Any]:
    """Describe once a view that answers with and without its address's last slash."""
    kept: dict[tuple[str, str, Any], Any] = {}
    for endpoint in endpoints:
        path, _, method, view = endpoint
        kept.setdefault((path.rstrip("/"), method, view.cls), endpoint)
    return list(kept.values())


def operation(
    name: str, good: Mapping[int | tuple[int, str], Any], **more: Any
) -> Callable[[F], F]:
    """Describe a view's method.

    Args:
        name: `<noun>_<verb>`, unique; the noun groups the routes.
        good: The shapes of the answers by status; those of problems are added.
        more: Whatever else drf-spectacular's `extend_schema` takes.
    """

    def describe(method: F) -> F:
        described: F = extend_schema(
            operation_id=name,
            tags=[name.partition("_")[0]],
            parameters=[*_ids(method), *more.pop("parameters", ())],
            responses={**good, ("4XX", PROBLEM_JSON): Problem, ("5XX", PROBLEM_JSON): Problem},
            **more,
        )(method)
        return described

    return describe


def _ids(method: Callable[..., Any]) -> list[OpenApiParameter]:
    """Describe the ids in the path, which the method takes as UUIDs."""
    return [
        OpenApiParameter(name, OpenApiTypes.UUID, OpenApiParameter.PATH)
        for name, kind in method.__annotations__.items()
        if kind in ("UUID", UUID)
    ]
