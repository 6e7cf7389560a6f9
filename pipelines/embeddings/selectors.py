"""Reads of embeddings."""

from __future__ import annotations

from uuid import UUID

from pipelines.core.errors import NotFound
from pipelines.embeddings.models import Embedding


def embedding_of_job(embedding_id: UUID) -> Embedding:
    """Return what a job is to embed; NotFound when it is gone."""
    found = Embedding.objects.select_related("job").filter(pk=embedding_id).first()
    if found is None:
        raise NotFound("The texts of this job are gone.")
    return found
