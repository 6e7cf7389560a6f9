"""The steps of an ingest and of a search."""

from __future__ import annotations

from uuid import UUID

from pipelines.core.steps import Pipeline, Step, register
from pipelines.knowledge.models import Document, DocumentState

EXTRACT = Step("knowledge.extract", queue="ingest")
CHUNK = Step("knowledge.chunk", queue="ingest")
EMBED = Step("knowledge.embed", queue="ingest")
INDEX = Step("knowledge.index", queue="ingest")
SEARCH = Step("knowledge.search", queue="embed")


def document_fail(job_id: UUID) -> None:
    """Mark the document of a job that ended early."""
    Document.objects.filter(job_id=job_id).update(state=DocumentState.FAILED)


INGEST = register(
    Pipeline("knowledge.ingest", steps=(EXTRACT, CHUNK, EMBED, INDEX), on_end=document_fail)
)
FIND = register(Pipeline("knowledge.search", steps=(SEARCH,)))
