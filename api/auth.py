"""Who calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.http import HttpRequest
from rest_framework.request import Request

if TYPE_CHECKING:
    from pipelines.accounts.models import User


def caller(request: Request) -> User:
    """Return the account that makes a request, in a view that demands one."""
    return cast("User", request.user)


def django_request(request: Request) -> HttpRequest:
    """Return the request as Django knows it."""
    return request._request  # noqa: SLF001 - REST framework names no other way to it
