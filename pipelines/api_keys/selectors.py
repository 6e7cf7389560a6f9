"""Reads of API keys, each scoped to one owner; and the one by the key itself."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from pipelines.api_keys.models import ApiKey
from pipelines.core.errors import NotFound

if TYPE_CHECKING:
    from pipelines.accounts.models import User

# What every key begins with: so that it is told from a token, and found where it should not be.
MARK = "tpk_"


def digest_of(text: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(text.encode()).hexdigest()


def api_keys_of(owner: User) -> QuerySet[ApiKey]:
    """Every key of an owner that was not revoked, newest first."""
    return ApiKey.objects.filter(owner=owner, revoked_at=None)


def api_key_get(owner: User, api_key_id: UUID) -> ApiKey:
    """Return one key; NotFound when it does not exist, was revoked, or is another's."""
    found = api_keys_of(owner).filter(pk=api_key_id).first()
    if found is None:
        raise NotFound("There is no such API key.")
    return found


def api_key_by_text(text: str) -> ApiKey | None:
    """Return the key that a program has shown, with its owner; None when it is not good."""
    found = ApiKey.objects.select_related("owner").filter(digest=digest_of(text)).first()
    if found is None or not found.is_good(timezone.now()) or not found.owner.is_active:
        return None
    return found
