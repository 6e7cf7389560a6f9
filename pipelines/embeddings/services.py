"""Writes to embeddings: ask for some, record the vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from pipelines.core.errors import InvalidInput
from pipelines.embeddings.models import Embedding
from pipelines.embeddings.pipeline import EMBEDDING
from pipelines.jobs.admission import check_admission
from pipelines.jobs.services import job_accept

if TYPE_CHECKING:
    from pipelines.accounts.models import User


def embedding_accept(*, owner: User, texts: Sequence[str]) -> Embedding:
    """Write texts down with the job that makes them vectors.

    Raises:
        InvalidInput: There are none, one is empty, or they are too many or too long.
        Overloaded: As of any turn.
    """
    _check(texts)
    check_admission(EMBEDDING)
    with transaction.atomic():
        embedding = Embedding(owner=owner, texts=list(texts))
        embedding.job = job_accept(
            pipeline=EMBEDDING, owner=owner, input={"embedding_id": str(embedding.pk)}
        )
        embedding.save(force_insert=True)
    return embedding


def _check(texts: Sequence[str]) -> None:
    if not texts or not all(text.strip() for text in texts):
        raise InvalidInput("An input holds some text.", code="empty", field="input")
    if len(texts) > (most := settings.EMBEDDINGS_MAX_TEXTS):
        raise InvalidInput(
            f"An input has at most {most} texts.", code="too_many_texts", field="input"
        )
    if sum(map(len, texts)) > (limit := settings.EMBEDDINGS_MAX_CHARACTERS):
        raise InvalidInput(
            f"An input has at most {limit} characters.", code="too_large", field="input"
        )


def vectors_record(*, embedding: Embedding, vectors: bytes, dimensions: int) -> None:
    """Record the vectors, and forget the texts."""
    embedding.texts, embedding.vectors, embedding.dimensions = [], vectors, dimensions
    embedding.save(update_fields=["texts", "vectors", "dimensions"])
