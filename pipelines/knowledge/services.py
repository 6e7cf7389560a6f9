"""Writes to knowledge: collections, documents, and what an ingest leaves behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from pipelines.core.errors import Conflict, InvalidInput, MessageTooLarge, NotFound, Unavailable
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_accept, job_cancel, lane_cancel
from pipelines.jobs.shares import BULK
from pipelines.knowledge import selectors
from pipelines.knowledge.formats import HEAD_BYTES, decode, sniff
from pipelines.knowledge.models import Chunk, Collection, Document, DocumentState, Snapshot
from pipelines.knowledge.pipeline import FIND, INGEST

if TYPE_CHECKING:
    from pipelines.accounts.models import User


def collection_create(*, owner: User | None, name: str) -> Collection:
    """Create a collection.

    Raises:
        Conflict: The owner has one of that name.
    """
    try:
        with transaction.atomic():
            return Collection.objects.create(owner=owner, name=name)
    except IntegrityError as error:
        raise Conflict("You have a collection of this name already.", code="name_taken") from error


def collection_delete(*, collection: Collection) -> None:
    """Cancel what is under way in a collection and delete it with all that is in it."""
    with transaction.atomic():
        Collection.objects.select_for_update(no_key=True).filter(pk=collection.pk).first()
        lane_cancel(_ordering_key(collection.pk))
        collection.delete()


def _ordering_key(collection_id: UUID) -> str:
    return f"collection:{collection_id}"


def document_upload(
    *,
    owner: User | None,
    collection: Collection,
    name: str,
    declared: str,
    content: bytes,
    deadline: datetime | None = None,
) -> Document:
    """Write an upload down together with the job that ingests it.

    Args:
        owner: Who uploads; None for the house.
        collection: Where it goes.
        name: The file's name as the client gave it; only shown, never used as a path.
        declared: The media type as the client gave it.
        content: The bytes.
        deadline: When the ingest ends as failed if it has not ended before.

    Raises:
        InvalidInput: It is empty, not UTF-8, or holds a NUL.
        MessageTooLarge: It is larger than UPLOAD_MAX_BYTES.
        NotFound: The collection has been deleted meanwhile.
        UnsupportedType: Nothing here reads its type.
    """
    media_type = sniff(name, declared, content[:HEAD_BYTES])
    decode(content, max_bytes=settings.UPLOAD_MAX_BYTES)
    with transaction.atomic():
        # The collection guards the order of its ingests: one writer of its index at a time.
        if not Collection.objects.select_for_update(no_key=True).filter(pk=collection.pk).first():
            raise NotFound("There is no such collection.")
        job = job_accept(
            pipeline=INGEST,
            owner=owner,
            input={},
            ordering_key=_ordering_key(collection.pk),
            priority=BULK,
            deadline=deadline,
        )
        return Document.objects.create(
            collection=collection,
            job=job,
            name=name[:255],
            media_type=media_type,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            content=content,
        )


def document_delete(*, document: Document) -> None:
    """Delete a document: from this moment no search returns it, whatever an index file holds.

    An ingest that is under way is cancelled first. So its passages are either there to be deleted
    or never written: what refers to a row that is being deleted would fail the one or the other.
    """
    with transaction.atomic():
        if document.job_id is not None:
            job_cancel(job_id=document.job_id)
        document.delete()


def document_extracted(*, document: Document, text: str, title: str) -> None:
    """Record what was read out of a document."""
    Document.objects.filter(pk=document.pk).update(text=text, title=title[:255])


def chunks_replace(*, document: Document, chunks: Iterable[Chunk]) -> int:
    """Record the passages of a document in place of earlier ones; return how many."""
    document.chunks.all().delete()
    return len(Chunk.objects.bulk_create(chunks, batch_size=500))


def vectors_record(*, vectors: Mapping[int, bytes]) -> None:
    """Record the vectors of passages, by the passage's id."""
    chunks = [Chunk(pk=pk, vector=vector) for pk, vector in vectors.items()]
    Chunk.objects.bulk_update(chunks, ["vector"], batch_size=200)


def document_ready(*, document: Document) -> None:
    """Let searches find a document."""
    Document.objects.filter(pk=document.pk).update(state=DocumentState.READY)


def snapshot_swap(
    *, collection_id: UUID, documents: Sequence[UUID], fields: Mapping[str, Any]
) -> None:
    """Point a collection at a new index file; the documents in it leave the delta.

    Raises:
        Unavailable: Another build was quicker; this one holds too little.
    """
    present = Snapshot.objects.select_for_update().filter(collection_id=collection_id).first()
    if (present.version if present else 0) != fields["version"] - 1:
        raise Unavailable("The index has moved on.", code="index_moved_on")
    Snapshot.objects.update_or_create(collection_id=collection_id, defaults=dict(fields))
    Document.objects.filter(pk__in=documents).update(indexed_version=fields["version"])


def search_request(
    *,
    owner: User,
    query: str,
    limit: int,
    collections: list[UUID] | None,
    deadline: datetime | None = None,
) -> Job:
    """Accept a search; its result is the job's output.

    Raises:
        InvalidInput: The query is empty or holds a NUL.
        MessageTooLarge: The query is longer than MESSAGE_MAX_CHARACTERS.
        NotFound: One of the collections does not exist or may not be seen.
    """
    if not query.strip() or "\0" in query:
        raise InvalidInput("A search needs words to search for.", code="empty", field="query")
    if len(query) > (most := settings.MESSAGE_MAX_CHARACTERS):
        raise MessageTooLarge(f"A query has at most {most} characters.", field="query")
    scope = selectors.collections_searchable(owner.pk, collections)
    return job_accept(
        pipeline=FIND,
        owner=owner,
        input={
            "query": query,
            "limit": min(limit, settings.SEARCH_MAX_RESULTS),
            "collections": [str(pk) for pk in scope],
        },
        deadline=deadline,
    )
