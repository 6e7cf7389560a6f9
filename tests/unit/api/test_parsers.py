"""Odd bodies are refused at the door, each with its code, and nothing is half written."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings
from rest_framework.test import APIClient

from tests.unit.api.conftest import Rows

DEEP = b'{"message": "x", "metadata": ' + b'{"a":' * 32 + b"1" + b"}" * 33


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"message": "caf\xe9"}', 400, "not_utf8"),
        (b'{"message": "a", "message": "b"}', 400, "malformed"),
        (b'{"message": "a", "metadata": {"x": NaN}}', 400, "malformed"),
        (b'{"message": "a", "metadata": {"x": -Infinity}}', 400, "malformed"),
        (b'{"message": "a", "metadata": {"x": 1e999}}', 400, "malformed"),
        (b'{"message": ', 400, "malformed"),
        (b"[" * 100_000, 422, "too_deep"),
        (DEEP, 422, "too_deep"),
        (b'["message"]', 422, "not_an_object"),
        (b"null", 422, "not_an_object"),
        (b'{"message": "a\\u0000b"}', 422, "nul_byte"),
        (b'{"message": "a", "metadata": {"\\u0000": 1}}', 422, "nul_byte"),
        (b'{"message": "\\ud83d"}', 422, "not_utf8"),
        (b'{"message": "a", "metadata": {"x": ["\\udc00"]}}', 422, "not_utf8"),
        (b'{"message": ""}', 422, "empty"),
        (b'{"message": " \\n "}', 422, "empty"),
        (b'{"message": 7}', 422, "invalid_input"),
        (b'{"message": null}', 422, "invalid_input"),
        (b"", 422, "invalid_input"),
        (b"{}", 422, "invalid_input"),
        (json.dumps({"message": "x" * 32_001}).encode(), 413, "too_large"),
        (json.dumps({"message": "x", "metadata": {"x": "y" * 16_384}}).encode(), 413, "too_large"),
        (json.dumps({"message": "x" * 2**21}).encode(), 413, "too_large"),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else str(value),
)
def test_an_odd_body_is_refused(
    client: APIClient, rows: Rows, body: bytes, status: int, code: str
) -> None:
    """Given a body that cannot be accepted, the answer says why and nothing is written."""
    before = rows()
    response = client.post("/api/v1/turns/", body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response["Content-Type"] == "application/problem+json"
    assert rows() == before


def test_the_field_at_fault_is_named(client: APIClient) -> None:
    """Given a NUL deep inside, its path is named."""
    body = b'{"message": "a", "metadata": {"x": ["ok", "\\u0000"]}}'
    response = client.post("/api/v1/turns/", body, content_type="application/json")
    assert response.json()["errors"] == [
        {"field": "metadata.x.1", "code": "nul_byte", "detail": "A text cannot hold a NUL."}
    ]


def test_other_media_types_are_refused(client: APIClient) -> None:
    """Given a form, the answer is 415."""
    response = client.post("/api/v1/turns/", {"message": "Hello"}, format="multipart")
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


def test_a_body_may_be_as_long_as_the_limit(client: APIClient, settings: Settings) -> None:
    """Given a body of exactly the limit, it is read; one byte more is refused."""
    body = json.dumps({"title": "x" * 100}).encode()
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = len(body)
    good = client.post("/api/v1/conversations/", body, content_type="application/json")
    bad = client.post("/api/v1/conversations/", body + b" ", content_type="application/json")
    assert (good.status_code, bad.status_code) == (201, 413)


def test_what_is_odd_but_right_passes(client: APIClient) -> None:
    """Given whole surrogate pairs, other scripts and control characters, the text stays."""
    message = "\U0001f600 שלום \u202e\t\x07 \ufeff"
    response = client.post("/api/v1/turns/", {"message": message}, format="json")
    assert response.status_code == 202
    place = f"/api/v1/conversations/{response.json()['conversation_id']}/messages/"
    assert client.get(place).json()["data"][0]["content"] == message


def test_a_body_may_be_as_deep_as_the_limit(client: APIClient, settings: Settings) -> None:
    """Given an object of exactly JSON_MAX_DEPTH levels, it is read; one level more is refused."""

    def send(levels: int) -> int:
        inner = b'{"a":' * (levels - 1) + b"1" + b"}" * (levels - 1)
        body = b'{"message": "x", "metadata": ' + inner + b"}"
        return client.post("/api/v1/turns/", body, content_type="application/json").status_code

    assert [send(settings.JSON_MAX_DEPTH), send(settings.JSON_MAX_DEPTH + 1)] == [202, 422]


def test_an_upload_may_be_as_large_as_the_limit(client: APIClient, settings: Settings) -> None:
    """Given a file of exactly UPLOAD_MAX_BYTES, it is taken; one byte more is refused."""
    settings.UPLOAD_MAX_BYTES = 1_000
    made = client.post("/api/v1/knowledge/collections/", {"name": "c"}, format="json").json()

    def send(size: int) -> int:
        file = SimpleUploadedFile("a.txt", b"x" * size, "text/plain")
        fields = {"collection": made["id"], "file": file}
        return client.post("/api/v1/knowledge/documents/", fields, format="multipart").status_code

    assert [send(1_000), send(1_001)] == [202, 413]


def test_a_form_may_have_as_many_fields_and_files_as_their_limits(
    client: APIClient, settings: Settings
) -> None:
    """Given one field or one file too many, the form is not read."""
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 4
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    made = client.post("/api/v1/knowledge/collections/", {"name": "c"}, format="json").json()

    def send(fields: int, files: int) -> int:
        form: dict[str, object] = {"collection": made["id"]}
        form |= {f"x{number}": "1" for number in range(fields - 1)}
        names = ["file", *(f"file{number}" for number in range(1, files))]
        form |= {name: SimpleUploadedFile("a.txt", b"x", "text/plain") for name in names}
        return client.post("/api/v1/knowledge/documents/", form, format="multipart").status_code

    assert [send(2, 2), send(9, 1), send(1, 3)] == [202, 400, 400]
