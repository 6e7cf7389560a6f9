"""Uploads: checked before anything is written, ingested one at a time for each collection."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from pipelines.accounts.models import User
from pipelines.core.errors import Conflict, InvalidInput, NotFound, TurnpikeError, UnsupportedType
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel
from pipelines.knowledge import selectors
from pipelines.knowledge.models import Chunk, Collection, Document
from pipelines.knowledge.services import (
    collection_create,
    collection_delete,
    document_delete,
    document_upload,
    search_request,
)


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create(username="ada")


@pytest.fixture
def collection(owner: User) -> Collection:
    return collection_create(owner=owner, name="Notes")


def _upload(collection: Collection, content: bytes = b"# Title", name: str = "a.md") -> Document:
    return document_upload(
        owner=collection.owner, collection=collection, name=name, declared="", content=content
    )


def test_an_upload_is_kept_as_it_came_with_the_job_that_reads_it(collection: Collection) -> None:
    document = _upload(collection, b"# Title")

    kept = Document.objects.get()
    assert (bytes(kept.content), kept.media_type, kept.state) == (
        b"# Title",
        "text/markdown",
        "processing",
    )
    assert document.job is not None
    names = ["knowledge.extract", "knowledge.chunk", "knowledge.embed", "knowledge.index"]
    assert list(document.job.steps.values_list("name", flat=True)) == names


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "a.md", "empty_document"),
        (b" \n ", "a.md", "empty_document"),
        (b"a\0b", "a.md", "unsupported_type"),
        (b"caf\xe9", "a.txt", "not_utf8"),
        (b"%PDF-1.7", "a.md", "unsupported_type"),
        (b"text", "a.docx", "unsupported_type"),
        (b"x" * 5000 + b"\0", "a.md", "nul_byte"),
    ],
)
def test_what_cannot_be_read_is_refused_and_leaves_nothing(
    collection: Collection, content: bytes, name: str, code: str
) -> None:
    with pytest.raises(TurnpikeError) as refused:
        _upload(collection, content, name)

    assert refused.value.error_code == code
    assert (Document.objects.count(), Job.objects.count()) == (0, 0)


def test_an_upload_may_be_as_large_as_its_limit(collection: Collection, settings: Settings) -> None:
    settings.UPLOAD_MAX_BYTES = 8

    _upload(collection, b"x" * 8)
    with pytest.raises(InvalidInput) as refused:
        _upload(collection, b"x" * 9)

    assert (refused.value.error_code, refused.value.status) == ("too_large", 413)
    assert Document.objects.count() == 1


def test_uploads_into_one_collection_are_read_one_after_another(collection: Collection) -> None:
    _upload(collection)
    second = _upload(collection)

    assert second.job is not None
    assert second.job.steps.filter(ready_at__isnull=False).count() == 0


def test_a_document_whose_job_ends_early_says_so(collection: Collection) -> None:
    document = _upload(collection)
    assert document.job is not None

    job_cancel(job_id=document.job.pk)

    document.refresh_from_db()
    assert document.state == "failed"


def test_a_name_is_taken_once(owner: User, collection: Collection) -> None:
    with pytest.raises(Conflict):
        collection_create(owner=owner, name="Notes")
    collection_create(owner=User.objects.create(username="eve"), name="Notes")

    assert Collection.objects.count() == 2


def _ready(collection: Collection) -> Document:
    document = _upload(collection)
    Document.objects.filter(pk=document.pk).update(state="ready")
    Chunk.objects.create(document=document, position=0, text="x", start=0, end=1, vector=b"")
    return document


def test_what_was_deleted_is_never_read_again(owner: User, collection: Collection) -> None:
    document = _ready(collection)
    [chunk_id] = Chunk.objects.values_list("pk", flat=True)
    assert set(selectors.passages_get(owner.pk, [chunk_id])) == {chunk_id}

    document_delete(document=document)

    assert selectors.passages_get(owner.pk, [chunk_id]) == {}
    assert selectors.collections_searchable(owner.pk) == []


@pytest.mark.parametrize("whole", [False, True], ids=["the document", "the collection"])
def test_deleting_what_is_being_taken_in_cancels_the_ingest(
    collection: Collection, whole: bool
) -> None:
    document, other = _upload(collection), _upload(collection)

    if whole:
        collection_delete(collection=collection)
    else:
        document_delete(document=document)

    ended = [document.job, other.job] if whole else [document.job]
    assert all(job is not None for job in ended)
    cancelled = Job.objects.filter(state="cancelled")
    assert set(cancelled) == set(ended)
    assert Document.objects.count() == 2 - len(ended)


def test_an_upload_into_a_collection_that_has_just_gone_is_refused(
    owner: User, collection: Collection
) -> None:
    Collection.objects.all().delete()

    with pytest.raises(NotFound):
        _upload(collection)
    assert not Job.objects.exists()


def test_a_passage_of_anothers_is_never_read(collection: Collection) -> None:
    _ready(collection)
    [chunk_id] = Chunk.objects.values_list("pk", flat=True)
    stranger = User.objects.create(username="eve")

    assert selectors.passages_get(stranger.pk, [chunk_id]) == {}
    assert selectors.passages_get(None, [chunk_id]) == {}
    assert selectors.collections_searchable(stranger.pk) == []
    with pytest.raises(NotFound):
        search_request(owner=stranger, query="x", limit=1, collections=[collection.pk])


def test_a_search_looks_where_something_is(owner: User, collection: Collection) -> None:
    collection_create(owner=owner, name="Empty")
    _ready(collection)

    job = search_request(owner=owner, query="x", limit=1000, collections=None)

    assert job.input == {"query": "x", "limit": 50, "collections": [str(collection.pk)]}


def test_the_type_is_told_in_the_refusal(collection: Collection) -> None:
    with pytest.raises(UnsupportedType, match="Markdown"):
        _upload(collection, b"%PDF-1.7", "a.pdf")
