"""Guessing of passwords: after so many wrong ones in a row an account takes none for a while.

django-axes keeps the counts and asks this handler. A try is counted before its password is
compared, in one statement, and taken back when it was right: so however many come at once, no
more passwords are compared than may be wrong. It is counted for the account, whichever of its
names was typed and from wherever; a name that nobody has is counted alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.http import HttpRequest
from django.utils import timezone

from api.addresses import client_address
from api.throttles import Asked, count
from pipelines.accounts.models import User
from pipelines.accounts.selectors import user_by_email
from pipelines.core.errors import TransientError

log = structlog.get_logger(__name__)

# axes tells its rows apart by the name, the address and the browser; here the name alone counts.
_ANYWHERE = {"ip_address": "::", "user_agent": ""}
_NAME_CHARACTERS = 255


class SignInLocked(TransientError):
    """Too many wrong passwords were typed for this name."""

    code = "sign_in_locked"
    status = 429


class AccountHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes bears no annotations
    """Counts tries by account."""

    def is_allowed(
        self, request: HttpRequest, credentials: Mapping[str, Any] | None = None
    ) -> bool:
        """Count a try.

        Raises:
            TooManyRequests: There were too many within the minute.
            SignInLocked: There were too many wrong ones in a row.
        """
        name = (credentials or {}).get("username")
        if not name:
            return True
        count(Asked(request, lambda: {"username": name}), "sign_in")
        if not _count(key := _key(name)):
            log.warning("sign_in.locked", address=client_address(request), path=request.path)
            raise _locked(key)
        return True

    def user_login_failed(
        self, sender: Any, credentials: Any, request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        """Log it, without the name, which may be a password in the wrong field; count nothing."""
        if request is not None:
            log.warning("sign_in.failed", address=client_address(request), path=request.path)

    def user_logged_in(self, sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
        """Log it, and forget the tries of whoever has signed in, by a password or by a link."""
        address, path = client_address(request), request.path
        log.info("sign_in.succeeded", account=str(user.pk), address=address, path=path)
        unlock(user)

    def user_logged_out(
        self, sender: Any, request: HttpRequest, user: User | None, **kwargs: Any
    ) -> None:
        """Do nothing."""


def unlock(user: User) -> None:
    """Forget the tries of an account; its next password is compared again."""
    _tries(_fold(user.username)).delete()


def _key(name: str) -> str:
    """Return what the tries of a typed name are counted under: its account's username, folded."""
    found = user_by_email(name) if "@" in name else None
    return _fold(name if found is None else found.username)


def _fold(name: str) -> str:
    return name.casefold()[:_NAME_CHARACTERS]


def _tries(key: str) -> QuerySet[Any]:
    tries: QuerySet[Any] = AccessAttempt.objects.filter(username=key, **_ANYWHERE)
    return tries


def _count(key: str) -> bool:
    """Count one more try, unless there were too many; say whether it may go on."""
    now = timezone.now()
    return _count_more(key, now) or _count_first(key, now) or _count_more(key, now)


def _count_more(key: str, now: datetime) -> bool:
    is_old = Q(attempt_time__lte=now - settings.AXES_COOLOFF_TIME)
    has_room = Q(failures_since_start__lt=settings.AXES_FAILURE_LIMIT)
    more = Case(When(is_old, then=Value(1)), default=F("failures_since_start") + 1)
    return bool(
        _tries(key).filter(is_old | has_room).update(failures_since_start=more, attempt_time=now)
    )


def _count_first(key: str, now: datetime) -> bool:
    """Make the row of a name; False when there is one, perhaps made just now by somebody else."""
    old = AccessAttempt.objects.filter(attempt_time__lte=now - settings.AXES_COOLOFF_TIME)
    try:
        with transaction.atomic():
            AccessAttempt.objects.create(username=key, failures_since_start=1, **_ANYWHERE)
    except IntegrityError:
        return False
    old.delete()
    return True


def _locked(key: str) -> SignInLocked:
    last = _tries(key).values_list("attempt_time", flat=True).first() or timezone.now()
    seconds = (last + settings.AXES_COOLOFF_TIME - timezone.now()).total_seconds()
    return SignInLocked(
        "Too many wrong passwords were typed for this name. "
        "Wait, or sign in by a link that is sent to your e-mail address.",
        retry_after=max(1.0, seconds),
    )
