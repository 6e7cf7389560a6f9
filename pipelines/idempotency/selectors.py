"""Reads of kept answers, each scoped to one owner."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from pipelines.core.errors import InvalidInput
from pipelines.idempotency.models import KeptAnswer

if TYPE_CHECKING:
    from pipelines.accounts.models import User


class KeyReused(InvalidInput):
    """This Idempotency-Key came with another request before."""

    code = "idempotency_key_reused"


def kept_since() -> datetime:
    """From when on answers are kept; an older one counts as absent, whether or not it is gone."""
    return timezone.now() - timedelta(hours=settings.IDEMPOTENCY_HOURS)


def key_is_known(owner: User | None, key: str) -> bool:
    """Whether any answer is kept under a key."""
    return KeptAnswer.objects.filter(owner=owner, key=key, created_at__gt=kept_since()).exists()


def answer_get(owner: User | None, key: str, fingerprint: str) -> KeptAnswer | None:
    """Return the answer that is kept for a request; None when there is none.

    Raises:
        KeyReused: The owner has used the key for another request.
    """
    kept = KeptAnswer.objects.filter(owner=owner, key=key, created_at__gt=kept_since())
    if owner is None:
        return kept.filter(fingerprint=fingerprint).first()
    found = kept.first()
    if found is not None and found.fingerprint != fingerprint:
        raise KeyReused
    return found
