"""Writes to API keys: create, revoke, note the use."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from pipelines.accounts.services import account_lock
from pipelines.api_keys.models import ApiKey, Scope
from pipelines.api_keys.selectors import MARK, api_keys_of, digest_of
from pipelines.core.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from pipelines.accounts.models import User

_BYTES = 32
_SHOWN = len(MARK) + 8
# How old the last use may be before another is noted: not every request is a write.
_USE_GRAIN = timedelta(minutes=1)


def api_key_create(
    *,
    owner: User,
    name: str,
    scopes: Collection[Scope],
    has_retrieval: bool = False,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Create a key; return it with its text, which is not kept and never shown again.

    Raises:
        InvalidInput: It would be good for nothing: it has no scope, or has expired.
        Conflict: The owner has API_KEYS_MAX keys.
    """
    if not scopes:
        raise InvalidInput("A key needs a scope.", code="empty", field="scopes")
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidInput("The key would have expired.", code="past", field="expires_at")
    with transaction.atomic():
        account_lock(user=owner)
        if api_keys_of(owner).filter(is_sign_in=False).count() >= (most := settings.API_KEYS_MAX):
            raise Conflict(f"An account has at most {most} API keys.", code="too_many_keys")
        return _create(
            owner,
            name=name,
            scopes=sorted(set(scopes)),
            has_retrieval=has_retrieval,
            expires_at=expires_at,
        )


def sign_in_token_create(*, owner: User) -> tuple[ApiKey, str]:
    """Create the token of a sign-in; of more than SIGN_IN_TOKENS_MAX the oldest are made void."""
    with transaction.atomic():
        account_lock(user=owner)
        given = api_keys_of(owner).filter(is_sign_in=True)
        for oldest in given[settings.SIGN_IN_TOKENS_MAX - 1 :]:
            api_key_revoke(api_key=oldest)
        return _create(
            owner,
            name="Sign-in",
            scopes=[Scope.READ, Scope.WRITE],
            is_sign_in=True,
            expires_at=timezone.now() + timedelta(days=settings.SIGN_IN_TOKEN_DAYS),
        )


def sign_in_tokens_revoke(*, owner: User) -> None:
    """Make void whatever was given out at sign-ins."""
    given = ApiKey.objects.filter(owner=owner, is_sign_in=True, revoked_at=None)
    given.update(revoked_at=timezone.now())


def _create(owner: User, **fields: Any) -> tuple[ApiKey, str]:
    text = MARK + secrets.token_urlsafe(_BYTES)
    made = ApiKey.objects.create(
        owner=owner, prefix=text[:_SHOWN], digest=digest_of(text), **fields
    )
    return made, text


def api_key_revoke(*, api_key: ApiKey) -> None:
    """Make a key void, for good; one that is void stays as it is."""
    ApiKey.objects.filter(pk=api_key.pk, revoked_at=None).update(revoked_at=timezone.now())


def api_key_used(*, api_key: ApiKey) -> None:
    """Note that a key is in use, unless that was noted within the last minute."""
    now = timezone.now()
    if api_key.last_used_at is None or api_key.last_used_at < now - _USE_GRAIN:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_GRAIN)
        ApiKey.objects.filter(stale, pk=api_key.pk).update(last_used_at=now)
