"""Throttles: how many requests a minute or an hour somebody may send, counted in Redis.

Every request that reaches a view of the API is counted for its account, or for its address when
nobody has signed in. Besides that, and for what changes something alone, there are

- `sign_in`: passwords compared; for the address, and for the name that was typed.
- `register`: accounts made; for the address.
- `mail`: e-mails ordered; for the account, or for the address that was typed.

The first is counted wherever somebody signs in by a password, the admin included. A view of the
API names the others by `throttles = ("mail",)`, another view by `@throttled("mail")`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from math import ceil
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from limits import RateLimitItem
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from api.addresses import client_address, household
from api.auth import django_request
from api.counters import Count, counters
from pipelines.core.errors import TransientError

if TYPE_CHECKING:
    from django.http import HttpResponseBase
    from rest_framework.views import APIView

# What a body may call whoever it is about.
_NAMES = ("email", "username")

View = Callable[..., HttpResponse]


class TooManyRequests(TransientError):
    """There were too many requests of this kind; ask again later."""

    code = "too_many_requests"
    status = 429


@dataclass(frozen=True)
class Asked:
    """A request, and the body that was read from it."""

    request: HttpRequest
    body: Callable[[], Any] = dict

    def account(self) -> str:
        """The id of whoever has signed in; empty when nobody has."""
        user = self.request.user
        return str(user.pk) if user.is_authenticated else ""

    def address(self) -> str:
        """Where it comes from."""
        return household(client_address(self.request))

    def name(self) -> str:
        """A digest of the name in the body, whatever its case; empty without a name."""
        body = self.body()
        for field in _NAMES if isinstance(body, Mapping) else ():
            text = body.get(field)
            if isinstance(text, str) and text.strip():
                return hashlib.sha256(text.strip().casefold().encode()).hexdigest()
        return ""


@dataclass(frozen=True)
class Policy:
    """One throttle.

    Attributes:
        name: What the answer's headers call it.
        setting: Names the setting that has its rate, or None where it is off.
        who: Says for whom a request counts; empty for nobody.
    """

    name: str
    setting: str
    who: Callable[[Asked], str]


_USER = Policy("user", "THROTTLE_USER", Asked.account)
_ADDRESS = Policy("address", "THROTTLE_ADDRESS", Asked.address)
_NAMED: dict[str, tuple[Policy, ...]] = {
    "sign_in": (
        Policy("sign-in", "THROTTLE_SIGN_IN", Asked.address),
        Policy("sign-in-name", "THROTTLE_SIGN_IN_NAME", lambda asked: asked.name()),
    ),
    "register": (Policy("register", "THROTTLE_REGISTER", Asked.address),),
    "mail": (Policy("mail", "THROTTLE_MAIL", lambda asked: asked.account() or asked.name()),),
}


class Throttle(BaseThrottle):
    """Counts what reaches a view of the API."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count a request; TooManyRequests when it is one too many."""
        asked = Asked(django_request(request), lambda: request.data)
        _count(asked, [_USER if asked.account() else _ADDRESS])
        count(asked, *getattr(view, "throttles", ()))
        return True


def throttled(*names: str) -> Callable[[View], View]:
    """Count what reaches a view that is none of the API."""

    def decorate(view: View) -> View:
        @wraps(view)
        def counted(request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
            count(Asked(request, lambda: request.POST), *names)
            return view(request, *args, **options)

        return counted

    return decorate


def count(asked: Asked, *names: str) -> None:
    """Count a request that changes something; TooManyRequests when it is one too many."""
    if asked.request.method not in SAFE_METHODS:
        _count(asked, [policy for name in names for policy in _NAMED[name]])


def _count(asked: Asked, policies: Iterable[Policy]) -> None:
    for policy in policies:
        rate: RateLimitItem | None = getattr(settings, policy.setting)
        if rate is None or not (who := policy.who(asked)):
            continue
        counted = counters().hit(policy.name, rate, who)
        _counts(asked.request).append(counted)
        if not counted.is_within:
            raise TooManyRequests(retry_after=counted.seconds)


def _counts(request: HttpRequest) -> list[Count]:
    counts: list[Count] = request.__dict__.setdefault("throttle_counts", [])
    return counts


def tell_counts(request: HttpRequest, response: HttpResponseBase) -> None:
    """Write into an answer what was counted, as draft-ietf-httpapi-ratelimit-headers-10 has it."""
    if counts := _counts(request):
        response["RateLimit-Policy"] = ", ".join(
            f'"{each.name}";q={each.rate.amount};w={each.rate.get_expiry()}' for each in counts
        )
        response["RateLimit"] = ", ".join(
            f'"{each.name}";r={each.left};t={ceil(each.seconds)}' for each in counts
        )
