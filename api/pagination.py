"""Pages of a list, by a cursor that stays true while rows come and go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from pipelines.core.errors import InvalidInput


class NewestFirst(CursorPagination):
    """Newest first: ids are time-ordered, so that they are cursor and order in one."""

    ordering = "-id"
    page_size_query_param = "limit"
    page_size_query_description = "How many rows a page has."
    cursor_query_description = "Where the page begins: taken from `next` or `previous`."

    def get_page_size(self, request: Request) -> int:
        """Return how many rows a page has; InvalidInput for a limit out of bounds."""
        raw = request.query_params.get("limit", str(settings.PAGE_SIZE))
        most = settings.PAGE_SIZE_MAX
        if not (raw.isascii() and raw.isdigit() and len(raw) < 7 and 1 <= int(raw) <= most):
            raise InvalidInput(f"The limit is a number from 1 to {most}.", field="limit")
        return int(raw)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Read the cursor; InvalidInput when it is not one that this list gave out."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                self.check_position(str(cursor.position))
        except (NotFound, ValueError) as error:
            raise InvalidInput(
                "This cursor was not given out by this list.", code="invalid_cursor", field="cursor"
            ) from error
        return cursor

    def check_position(self, position: str) -> None:
        """Raise ValueError unless a cursor's position is a value of the ordering's field."""
        UUID(position)

    def get_paginated_response(self, data: Sequence[Any]) -> Response:
        """Lay out a page."""
        return Response(
            {"data": data, "next": self.get_next_link(), "previous": self.get_previous_link()}
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page for OpenAPI."""
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["data", "next", "previous"],
            "properties": {"data": schema, "next": link, "previous": link},
        }


class InOrder(NewestFirst):
    """The messages of one conversation, from its first on."""

    ordering = "position"

    def check_position(self, position: str) -> None:
        """Raise ValueError unless the position is a number that a message can have."""
        if not 0 <= int(position) < 2**31:
            raise ValueError(position)
