"""Reads of knowledge: what a person may see is the own collections and the house's."""

from __future__ import annotations

from collections.abc import Collection as Many
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q, QuerySet

from pipelines.core.errors import NotFound
from pipelines.knowledge.models import Chunk, Collection, Document, DocumentState, Snapshot

if TYPE_CHECKING:
    from pipelines.accounts.models import User


@dataclass(frozen=True)
class Passage:
    """A passage of a document, as it is shown to a model and cited to a person."""

    chunk_id: int
    document_id: UUID
    name: str
    title: str
    position: int
    heading: str
    text: str


def collections_seen_by(owner_id: UUID) -> QuerySet[Collection]:
    """The collections that an account may search."""
    return Collection.objects.filter(Q(owner_id=owner_id) | Q(owner__isnull=True)).order_by("-id")


def collection_get(owner: User, collection_id: UUID) -> Collection:
    """Return a collection; NotFound when it does not exist or may not be seen."""
    found = collections_seen_by(owner.pk).filter(pk=collection_id).first()
    if found is None:
        raise NotFound("There is no such collection.")
    return found


def collection_get_own(owner: User, collection_id: UUID) -> Collection:
    """Return a collection that the account may change."""
    collection = collection_get(owner, collection_id)
    if collection.owner_id != owner.pk and not owner.is_staff:
        raise NotFound("There is no such collection among your own.")
    return collection


def collections_searchable(owner_id: UUID, wanted: Many[UUID] | None = None) -> list[UUID]:
    """Name the collections in scope that hold something to find.

    Raises:
        NotFound: One of those wanted does not exist or may not be seen.
    """
    seen = collections_seen_by(owner_id)
    if wanted is not None:
        seen = seen.filter(pk__in=wanted)
        if seen.count() != len(set(wanted)):
            raise NotFound("There is no such collection.")
    ready = seen.filter(documents__state=DocumentState.READY).distinct()
    return list(ready.values_list("pk", flat=True))


def documents_seen_by(owner_id: UUID) -> QuerySet[Document]:
    """The documents that an account may see, without their bytes, newest first."""
    return (
        Document.objects.filter(
            Q(collection__owner_id=owner_id) | Q(collection__owner__isnull=True)
        )
        .select_related("job")
        .defer("content", "text")
        .order_by("-id")
    )


def document_get(owner: User, document_id: UUID) -> Document:
    """Return a document; NotFound when it does not exist or may not be seen."""
    document = documents_seen_by(owner.pk).filter(pk=document_id).first()
    if document is None:
        raise NotFound("There is no such document.")
    return document


def document_get_own(owner: User, document_id: UUID) -> Document:
    """Return a document of a collection that the account may change."""
    document = document_get(owner, document_id)
    collection_get_own(owner, document.collection_id)
    return document


def document_of_job(job_id: UUID) -> Document:
    """Return the document that a job ingests; NotFound when it was deleted meanwhile."""
    document = Document.objects.filter(job_id=job_id).first()
    if document is None:
        raise NotFound("The document of this job was deleted.")
    return document


def chunks_findable(collection_id: UUID) -> QuerySet[Chunk]:
    """The passages of a collection that a search may return."""
    return Chunk.objects.filter(
        document__collection_id=collection_id,
        document__state=DocumentState.READY,
        vector__isnull=False,
    )


def passages_get(owner_id: UUID | None, chunk_ids: Iterable[int]) -> dict[int, Passage]:
    """Read passages by id, as far as they still exist and the account may see them."""
    seen = Q(document__collection__owner__isnull=True)
    if owner_id is not None:
        seen |= Q(document__collection__owner_id=owner_id)
    rows = Chunk.objects.filter(seen, pk__in=list(chunk_ids), document__state=DocumentState.READY)
    return {
        row["id"]: Passage(
            chunk_id=row["id"],
            document_id=row["document_id"],
            name=row["document__name"],
            title=row["document__title"] or row["document__name"],
            position=row["position"],
            heading=row["heading"],
            text=row["text"],
        )
        for row in rows.values(
            "id", "document_id", "document__title", "document__name", "position", "heading", "text"
        )
    }


def snapshot_version(collection_id: UUID) -> int:
    """The version of a collection's index; 0 before the first."""
    versions = Snapshot.objects.filter(collection_id=collection_id)
    return versions.values_list("version", flat=True).first() or 0


def collections_lost(names: Iterable[str]) -> list[str]:
    """Of names that are ids of collections, return those of which there is none."""
    ids = {name for name in names if _is_id(name)}
    known = Collection.objects.filter(pk__in=ids).values_list("pk", flat=True)
    return sorted(ids - {str(pk) for pk in known})


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
