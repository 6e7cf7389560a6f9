"""Knowledge: own collections and the house's, uploads that can be read, searches as jobs."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.jobs.models import Job
from pipelines.knowledge.models import Collection, Document
from tests.factories import CollectionFactory, DocumentFactory
from tests.unit.api.conftest import Rows

TEXT = b"A turnpike is a toll road."


def _upload(
    client: APIClient,
    collection: object,
    content: bytes = TEXT,
    name: str = "note.txt",
    media_type: str = "text/plain",
) -> Any:
    file = SimpleUploadedFile(name, content, media_type)
    return client.post("/api/v1/knowledge/documents/", {"file": file, "collection": collection})


def test_collections_are_ones_own_and_the_houses(client: APIClient, user: User) -> None:
    """Given collections of three owners, the own and the house's are listed."""
    house = CollectionFactory.create(owner=None, name="House")
    CollectionFactory.create(name="Theirs")
    made = client.post("/api/v1/knowledge/collections/", {"name": "Mine"}, format="json")
    own = Collection.objects.get(owner=user)
    assert made.status_code == 201
    assert made.json() == {
        "id": str(own.pk),
        "name": "Mine",
        "is_own": True,
        "created_at": own.created_at.isoformat().replace("+00:00", "Z"),
    }
    listed = client.get("/api/v1/knowledge/collections/").json()["data"]
    assert [(row["id"], row["is_own"]) for row in listed] == [
        (str(own.pk), True),
        (str(house.pk), False),
    ]


def test_a_name_is_taken_once(client: APIClient, rows: Rows) -> None:
    """Given a collection of that name, the answer is 409; another owner may use the name."""
    CollectionFactory.create(name="Mine")
    body = {"name": "Mine"}
    assert client.post("/api/v1/knowledge/collections/", body, format="json").status_code == 201
    before = rows()
    again = client.post("/api/v1/knowledge/collections/", body, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    assert rows() == before


def test_only_ones_own_collection_is_deleted(client: APIClient, user: User) -> None:
    """Given collections of three owners, only the own one can be deleted."""
    own = CollectionFactory.create(owner=user)
    DocumentFactory.create(collection=own)
    others = [CollectionFactory.create(), CollectionFactory.create(owner=None)]
    places = [f"/api/v1/knowledge/collections/{each.pk}/" for each in (own, *others)]
    assert [client.delete(place).status_code for place in places] == [204, 404, 404]
    assert set(Collection.objects.all()) == set(others)
    assert Document.objects.count() == 0


def test_an_upload_is_accepted(client: APIClient, user: User) -> None:
    """Given a text, the answer is the document and the job that takes it in."""
    collection = CollectionFactory.create(owner=user)
    response = _upload(client, collection.pk)
    document, job = Document.objects.get(), Job.objects.get()
    assert response.status_code == 202
    assert response["Location"] == f"/api/v1/jobs/{job.pk}/"
    assert response["Retry-After"] == "1"
    assert response.json()["document"] == {
        "id": str(document.pk),
        "collection": str(collection.pk),
        "job_id": str(job.pk),
        "state": "processing",
        "name": "note.txt",
        "title": "",
        "media_type": "text/plain",
        "size": len(TEXT),
        "sha256": hashlib.sha256(TEXT).hexdigest(),
        "error": None,
        "created_at": document.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert response.json()["job"] == client.get(response["Location"]).json()
    assert bytes(document.content) == TEXT
    place = f"/api/v1/knowledge/documents/{document.pk}/"
    assert client.get(place).json() == response.json()["document"]


@pytest.mark.parametrize(
    ("content", "name", "status", "code"),
    [
        (b"", "note.txt", 422, "empty_document"),
        (b" \n", "note.txt", 422, "empty_document"),
        (b"caf\xe9", "note.txt", 422, "not_utf8"),
        (b"x" * 5000 + b"\0", "note.txt", 422, "nul_byte"),
        (b"%PDF-1.7", "note.txt", 415, "unsupported_type"),
        (b"text", "note.docx", 415, "unsupported_type"),
        (b"x" * 1001, "note.txt", 413, "too_large"),
    ],
)
def test_what_cannot_be_read_is_refused(
    client: APIClient,
    user: User,
    rows: Rows,
    settings: Settings,
    content: bytes,
    name: str,
    status: int,
    code: str,
) -> None:
    """Given a file that cannot be read, the answer says why, and nothing is written."""
    settings.UPLOAD_MAX_BYTES = 1000 if code == "too_large" else 10_000
    collection = CollectionFactory.create(owner=user)
    before = rows()
    response = _upload(client, collection.pk, content, name)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert rows() == before


def test_an_upload_is_refused_by_its_length_alone(
    client: APIClient, user: User, settings: Settings, rows: Rows
) -> None:
    """Given a Content-Length beyond the limit, the body is not even parsed."""
    settings.UPLOAD_MAX_BYTES = 1000
    before = rows()
    response = client.generic(
        "POST",
        "/api/v1/knowledge/documents/",
        "x" * 70_000,
        content_type="multipart/form-data; boundary=never",
    )
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert rows() == before


def test_an_upload_goes_nowhere_else(client: APIClient, rows: Rows) -> None:
    """Given another's collection, the house's, none or nonsense, nothing is written."""
    theirs, house = CollectionFactory.create(), CollectionFactory.create(owner=None)
    before = rows()
    answers = [_upload(client, each) for each in (theirs.pk, uuid4(), house.pk, "nonsense")]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 422]
    assert answers[0].content == answers[1].content
    assert client.post("/api/v1/knowledge/documents/", {"collection": uuid4()}).status_code == 422
    assert client.post("/api/v1/knowledge/documents/", {}, format="json").status_code == 415
    assert rows() == before


def test_a_file_name_is_only_shown(client: APIClient, user: User) -> None:
    """Given a name with a path and control characters, what is left is a plain name."""
    collection = CollectionFactory.create(owner=user)
    response = _upload(client, collection.pk, name="../../a\x07b\u202e.md")
    assert response.status_code == 202
    assert response.json()["document"]["name"] == "ab.md"


def test_documents_are_listed_by_collection(client: APIClient, user: User) -> None:
    """Given documents of three owners, one sees the own and the house's."""
    own = DocumentFactory.create(collection__owner=user)
    house = DocumentFactory.create(collection__owner=None)
    theirs = DocumentFactory.create()

    def found(**filters: str) -> list[str]:
        body = client.get("/api/v1/knowledge/documents/", filters).json()
        return [row["id"] for row in body["data"]]

    assert found() == [str(house.pk), str(own.pk)]
    assert found(collection=str(own.collection_id)) == [str(own.pk)]
    assert found(collection=str(theirs.collection_id)) == []
    bad = client.get("/api/v1/knowledge/documents/", {"collection": "x"})
    assert bad.status_code == 422


def test_only_ones_own_document_is_deleted(client: APIClient, user: User) -> None:
    """Given documents of three owners, only the own one can be deleted."""
    own = DocumentFactory.create(collection__owner=user)
    others = [DocumentFactory.create(), DocumentFactory.create(collection__owner=None)]
    places = [f"/api/v1/knowledge/documents/{each.pk}/" for each in (own, *others)]
    assert [client.delete(place).status_code for place in places] == [204, 404, 404]
    assert set(Document.objects.all()) == set(others)


def test_a_search_is_a_job(client: APIClient, user: User) -> None:
    """Given words, the job holds them and the scope; its shape is any job's."""
    own = DocumentFactory.create(collection__owner=user).collection
    DocumentFactory.create()
    body = {"query": "toll", "limit": 3, "collections": [str(own.pk)]}
    response = client.post("/api/v1/knowledge/search/", body, format="json")
    job = Job.objects.get()
    assert response.status_code == 202
    assert job.input == {"query": "toll", "limit": 3, "collections": [str(own.pk)]}
    assert response.json() == client.get(response["Location"]).json()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": " "}, 422, "empty"),
        ({"query": "x" * 32_001}, 413, "too_large"),
        ({"query": "x", "limit": 0}, 422, "invalid_input"),
        ({"query": "x", "collections": [str(uuid4())]}, 404, "not_found"),
    ],
)
def test_a_poor_search_writes_nothing(
    client: APIClient, rows: Rows, body: dict[str, Any], status: int, code: str
) -> None:
    """Given a search that cannot be accepted, no job is written."""
    before = rows()
    response = client.post("/api/v1/knowledge/search/", body, format="json")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert rows() == before
