"""Keeping a collection equal to a set of files: the new are ingested, the gone are deleted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping

from django.db import transaction

from pipelines.knowledge.models import Collection, Document, DocumentState
from pipelines.knowledge.services import document_delete, document_upload


def collection_mirror(*, collection: Collection, files: Mapping[str, bytes]) -> Counter[str]:
    """Upload, replace and delete documents until the collection holds these files and no others.

    A file whose bytes are unchanged is left alone, unless its ingest failed. Ingests only begin
    here: the workers do them.

    Args:
        collection: Whose owner owns the ingests, too; None is the house.
        files: The bytes of each file, by its name.

    Returns:
        How many were `added`, `changed`, `unchanged` and `removed`.

    Raises:
        InvalidInput, MessageTooLarge, UnsupportedType: A file cannot be read; those before it
            were taken.
    """
    present = {document.name: document for document in _documents(collection)}
    done: Counter[str] = Counter()
    for name, content in files.items():
        done[_mirror_file(collection, present.pop(name, None), name, content)] += 1
    for document in present.values():
        document_delete(document=document)
        done["removed"] += 1
    return done


def _documents(collection: Collection) -> list[Document]:
    return list(collection.documents.defer("content", "text"))


def _mirror_file(
    collection: Collection, present: Document | None, name: str, content: bytes
) -> str:
    digest = hashlib.sha256(content).hexdigest()
    if present and present.sha256 == digest and present.state != DocumentState.FAILED:
        return "unchanged"
    with transaction.atomic():
        if present:
            document_delete(document=present)
        document_upload(
            owner=collection.owner, collection=collection, name=name, declared="", content=content
        )
    return "changed" if present else "added"
