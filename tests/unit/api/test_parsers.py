"""Odd bodies are refused at the door, each with its code, and nothing is half written."""

from __future__ import annotations

import json

import pytest
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
