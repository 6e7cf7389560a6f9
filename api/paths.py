"""Paths: the ids in them, and their last slash."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.urls import URLPattern, path

if TYPE_CHECKING:
    from rest_framework.views import APIView

# Nothing ever bears this id (RFC 9562, section 5.9).
NIL = UUID(int=0)


class IdConverter:
    """Takes whatever stands where an id should.

    A malformed id becomes the nil UUID and goes through the same selector as any other id, so
    that its 404 is, to the letter, the one of an id that is unknown or another's.
    """

    regex = "[^/]+"

    def to_python(self, value: str) -> UUID:
        """Read an id in its canonical form, in either case."""
        try:
            found = UUID(value)
        except ValueError:
            return NIL
        return found if str(found) == value.lower() else NIL

    def to_url(self, value: UUID | str) -> str:
        """Write an id."""
        return str(value)


def both(route: str, view: type[APIView]) -> list[URLPattern]:
    """Serve a view with a last slash and without."""
    served = view.as_view()
    return [path(route, served), path(f"{route}/", served)]
