"""Every refusal is a problem with a stable code, and changes nothing."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.test import APIClient

from api.errors import problem_response
from pipelines.core.errors import Conflict, RateLimited, UnsupportedType
from tests.factories import JobFactory
from tests.unit.api.conftest import Rows


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Conflict("No.", code="already_ended"), 409, "already_ended"),
        (UnsupportedType("No."), 415, "unsupported_type"),
        (exceptions.ParseError("No."), 400, "malformed"),
        (exceptions.PermissionDenied("No."), 403, "permission_denied"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
        (exceptions.Throttled(wait=2.5), 429, "too_many_requests"),
        (Http404("internals"), 404, "not_found"),
        (RequestDataTooBig("internals"), 413, "too_large"),
        (SuspiciousOperation("internals"), 400, "malformed"),
        (OperationalError("internals"), 503, "unavailable"),
        (RuntimeError("internals"), 500, "internal_error"),
    ],
)
def test_an_exception_becomes_a_problem(error: Exception, status: int, code: str) -> None:
    """Given an exception of a view, its status and code are the agreed ones, internals stay in."""
    response = problem_response(error, {})
    assert (response.status_code, response.data["status"]) == (status, status)
    assert response.data["code"] == code
    assert response.data["type"] == "about:blank"
    assert response.content_type == "application/problem+json"
    assert "internals" not in json.dumps(response.data)


def test_a_pause_is_asked_for_in_whole_seconds() -> None:
    """Given errors that name a pause, Retry-After rounds it up; one that names none says 1."""
    assert problem_response(RateLimited(retry_after=2.1), {})["Retry-After"] == "3"
    assert problem_response(RateLimited(), {})["Retry-After"] == "1"
    assert problem_response(exceptions.Throttled(wait=2.5), {})["Retry-After"] == "3"
    assert problem_response(OperationalError(), {})["Retry-After"] == "1"


def test_each_field_at_fault_is_named_by_its_path() -> None:
    """Given nested validation errors, each is listed once with its path."""
    nested = exceptions.ValidationError(
        {
            "collections": {"1": [exceptions.ErrorDetail("Not an id.", "invalid")]},
            "message": ["No."],
        }
    )
    assert problem_response(nested, {}).data == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "collections.1: Not an id.",
        "code": "invalid_input",
        "errors": [
            {"field": "collections.1", "code": "invalid", "detail": "Not an id."},
            {"field": "message", "code": "invalid", "detail": "No."},
        ],
    }


def test_without_a_credential_the_scheme_is_named(anonymous: APIClient, rows: Rows) -> None:
    """Given no credential, the answer is 401, and nothing is written."""
    before = rows()
    response = anonymous.post("/api/v1/turns/", {"message": "Hello"}, format="json")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert response["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "Authentication credentials were not provided.",
        "code": "not_authenticated",
    }
    assert rows() == before


def test_a_broken_token_is_one_sentence(anonymous: APIClient) -> None:
    """Given a token that is none, the list of what was tried stays inside."""
    anonymous.credentials(HTTP_AUTHORIZATION="Bearer nonsense")
    response = anonymous.get("/api/v1/jobs/")
    assert response.status_code == 401
    assert response.json()["code"] == "token_not_valid"
    assert response.json()["detail"] == "Given token not valid for any token type"


def test_a_wrong_method_names_the_right_ones(client: APIClient) -> None:
    """Given a method that a route has not, the answer is 405 with Allow."""
    response = client.put("/api/v1/turns/", {}, format="json")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response["Allow"] == "POST, OPTIONS"


def test_an_unknown_path_is_a_problem_too(anonymous: APIClient) -> None:
    """Given no such route under the prefix, the answer is JSON, whatever the method."""
    for response in (anonymous.get("/api/v1/nothing/"), anonymous.post("/api/v1/turns", {})):
        assert response.status_code == 404
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "not_found"
    assert "end with a slash" in anonymous.post("/api/v1/turns", {}).json()["detail"]


NOUNS = [
    ("get", "/api/v1/jobs/{}/"),
    ("post", "/api/v1/jobs/{}/cancel/"),
    ("post", "/api/v1/jobs/{}/retry/"),
    ("get", "/api/v1/conversations/{}/"),
    ("patch", "/api/v1/conversations/{}/"),
    ("delete", "/api/v1/conversations/{}/"),
    ("get", "/api/v1/conversations/{}/messages/"),
    ("get", "/api/v1/knowledge/collections/{}/"),
    ("delete", "/api/v1/knowledge/collections/{}/"),
    ("get", "/api/v1/knowledge/documents/{}/"),
    ("delete", "/api/v1/knowledge/documents/{}/"),
    ("get", "/api/v1/reports/{}/"),
]


@pytest.mark.parametrize(("method", "path"), NOUNS)
def test_unknown_and_malformed_ids_look_alike(client: APIClient, method: str, path: str) -> None:
    """Given an id that nothing bears and ones that are no ids, the bodies are the same."""
    ids = [str(uuid4()), "nonsense", "00000000-0000-0000-0000-000000000000", "%00", uuid4().hex]
    answers = [getattr(client, method)(path.format(each), {}, format="json") for each in ids]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize(("method", "path"), NOUNS[:3])
def test_anothers_job_looks_like_none(
    client: APIClient, stranger: APIClient, user: object, method: str, path: str, rows: Rows
) -> None:
    """Given another's job, the body is that of an unknown id, and the job stays as it is."""
    job = JobFactory.create(owner=user)
    before = rows()
    theirs = getattr(stranger, method)(path.format(job.pk))
    nobodys = getattr(stranger, method)(path.format(uuid4()))
    assert (theirs.status_code, theirs.content) == (404, nobodys.content)
    job.refresh_from_db()
    assert job.state == "queued"
    assert rows() == before
