"""Writes to API keys: create, revoke, note the use."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

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
    text = MARK + secrets.token_urlsafe(_BYTES)
    with transaction.atomic():
        # Two that come at once would both find room for the last one.
        get_user_model().objects.select_for_update(no_key=True).get(pk=owner.pk)
        if api_keys_of(owner).count() >= (most := settings.API_KEYS_MAX):
            raise Conflict(f"An account has at most {most} API keys.", code="too_many_keys")
        key = ApiKey.objects.create(
            owner=owner,
            name=name,
            prefix=text[:_SHOWN],
            digest=digest_of(text),
            scopes=sorted(set(scopes)),
            has_retrieval=has_retrieval,
            expires_at=expires_at,
        )
    return key, text


def api_key_revoke(*, api_key: ApiKey) -> None:
    """Make a key void, for good; one that is void stays as it is."""
    ApiKey.objects.filter(pk=api_key.pk, revoked_at=None).update(revoked_at=timezone.now())


def api_key_used(*, api_key: ApiKey) -> None:
    """Note that a key is in use, unless that was noted within the last minute."""
    now = timezone.now()
    if api_key.last_used_at is None or api_key.last_used_at < now - _USE_GRAIN:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_GRAIN)
        ApiKey.objects.filter(stale, pk=api_key.pk).update(last_used_at=now)
