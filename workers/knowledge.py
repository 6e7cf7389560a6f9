"""The tasks of an ingest and of a search."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings

from pipelines.knowledge import pipeline, selectors, services
from pipelines.knowledge.models import Chunk, Document
from workers import configured
from workers.base import Run, step_task
from workers.search import load_vectors, nearest

EMBED_SLICE = 256


@step_task(pipeline.EXTRACT)
def extract(run: Run) -> None:
    """Read the text out of the upload."""
    from workers.engines import extract as engine

    document = selectors.document_of_job(run.job_id)
    read = engine.extract(bytes(document.content), document.media_type)
    with run.recording() as outcome:
        services.document_extracted(document=document, text=read.text, title=read.title)
        outcome.output = {"characters": len(read.text)}


@step_task(pipeline.CHUNK)
def chunk(run: Run) -> None:
    """Cut the text into passages."""
    from workers.engines import extract as engine

    document = selectors.document_of_job(run.job_id)
    chunks = [
        Chunk(
            document=document,
            position=piece.position,
            heading=piece.heading[:500],
            text=piece.text,
            start=piece.start,
            end=piece.end,
        )
        for piece in engine.chunk(document.text, document.media_type)
    ]
    with run.recording() as outcome:
        outcome.output = {"chunks": services.chunks_replace(document=document, chunks=chunks)}


@step_task(pipeline.EMBED)
def embed(run: Run) -> None:
    """Give every passage its vector, slice by slice; another attempt goes on from there."""
    from workers.engines import index

    document = selectors.document_of_job(run.job_id)
    total = document.chunks.count()
    missing = document.chunks.filter(vector__isnull=True)
    while rows := list(missing.values_list("pk", "heading", "text")[:EMBED_SLICE]):
        texts = [f"{heading}\n{text}" if heading else text for _, heading, text in rows]
        vectors = index.pack(configured.embedder().embed(texts))
        run.check()
        services.vectors_record(
            vectors={row[0]: vector for row, vector in zip(rows, vectors, strict=True)}
        )
        run.progress(embedded=total - missing.count(), total=total)
    with run.recording() as outcome:
        services.document_ready(document=document)
        outcome.output = {"vectors": total}


@step_task(pipeline.INDEX)
def build_index(run: Run) -> None:
    """Build a new snapshot of the collection once its delta has grown beyond INDEX_DELTA_MAX."""
    document = selectors.document_of_job(run.job_id)
    collection_id = document.collection_id
    findable = selectors.chunks_findable(collection_id)
    delta = findable.filter(document__indexed_version__isnull=True).count()
    version = selectors.snapshot_version(collection_id)
    fields: dict[str, object] = {}
    documents: list[UUID] = []
    if version == 0 or delta > settings.INDEX_DELTA_MAX:
        documents = list(
            Document.objects.filter(pk__in=findable.values("document")).values_list("pk", flat=True)
        )
        fields = _build(collection_id, documents, version + 1)
    with run.recording() as outcome:
        if fields:
            services.snapshot_swap(collection_id=collection_id, documents=documents, fields=fields)
        outcome.output = {
            "document_id": str(document.pk),
            "passages": document.chunks.count(),
            "index_version": version + bool(fields),
        }
    if fields:
        _prune(collection_id, str(fields["path"]))


def _build(collection_id: UUID, documents: list[UUID], version: int) -> dict[str, object]:
    from workers.engines import index

    directory = settings.INDEX_ROOT / str(collection_id)
    rows = selectors.chunks_findable(collection_id).filter(document__in=documents)
    loaded = load_vectors(rows.values_list("pk", "vector").iterator())
    info = index.build(
        directory, loaded.ids, loaded.vectors, version=version, exact_limit=settings.INDEX_EXACT_MAX
    )
    return {
        "version": version,
        "path": info.path.name,
        "checksum": info.checksum,
        "kind": info.kind,
        "count": info.count,
        "dimensions": info.dimensions,
        "model": configured.embedder().model_name,
    }


def _prune(collection_id: UUID, current: str) -> None:
    """Remove the older files, once the database names the new one."""
    from workers.engines import index

    directory = settings.INDEX_ROOT / str(collection_id)
    index.prune(directory, keep=[directory / current], older_than=settings.INDEX_KEEP_SECONDS)


@step_task(pipeline.SEARCH)
def search(run: Run) -> None:
    """Find the passages nearest to a query; the result is the job's output."""
    scope = [UUID(pk) for pk in run.input["collections"]]
    hits = nearest(run.input["query"], scope, run.input["limit"]) if scope else []
    passages = selectors.passages_get(run.claim.owner_id, [hit.id for hit in hits])
    found = [
        {
            "document_id": str(passage.document_id),
            "title": passage.title,
            "position": passage.position,
            "heading": passage.heading,
            "text": passage.text,
            "score": round(hit.score, 4),
        }
        for hit in hits
        if (passage := passages.get(hit.id))
    ]
    with run.recording() as outcome:
        outcome.output = {"passages": found}
