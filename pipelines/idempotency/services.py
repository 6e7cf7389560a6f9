"""Writes to kept answers: take a key, keep the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.idempotency.models import KeptAnswer
from pipelines.idempotency.selectors import answer_get, kept_since

if TYPE_CHECKING:
    from pipelines.accounts.models import User


def key_take(*, owner: User | None, key: str, fingerprint: str) -> tuple[KeptAnswer, bool]:
    """Take a key for a request, in the transaction of what the request creates.

    Of two that come at once, the second waits here until the first's transaction has ended. It
    is the first lock of that transaction, taken before any that `pipelines.jobs.locks` names.

    Returns:
        The row, and whether it is this request's own, whose answer is yet to be kept; otherwise
        it holds the answer to an earlier one.

    Raises:
        KeyReused: The owner has used the key for another request.
    """
    while True:
        own = KeptAnswer(owner=owner, key=key, fingerprint=fingerprint)
        KeptAnswer.objects.bulk_create([own], ignore_conflicts=True)
        found = answer_get(owner, key, fingerprint)
        if found is not None:
            return found, found.pk == own.pk
        # What is in the way is too old, or has just been deleted.
        KeptAnswer.objects.filter(owner=owner, key=key, created_at__lte=kept_since()).delete()


def answer_keep(*, answer: KeptAnswer, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Keep the answer to the request that took the key; one that created nothing frees it."""
    if not 200 <= status < 300:
        answer.delete()
        return
    answer.status, answer.headers, answer.body = status, dict(headers), body
    answer.save(update_fields=["status", "headers", "body"])
