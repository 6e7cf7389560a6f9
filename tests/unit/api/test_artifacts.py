"""Artifacts: streamed to their owner, as files and never as pages."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.core.files.storage import default_storage
from django.test import AsyncClient
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from pipelines.accounts.models import User
from tests.factories import ArtifactFactory, UserFactory


def test_the_owner_gets_the_file(client: APIClient, user: User) -> None:
    """Given a file, the owner gets its bytes with every guarding header."""
    artifact = ArtifactFactory.create(job__owner=user)
    response = client.get(
        f"/api/v1/jobs/{artifact.job_id}/artifacts/report.pdf/", HTTP_ACCEPT="application/pdf"
    )
    assert response.status_code == 200
    assert response.getvalue() == b"%PDF-1.7 of a sort"
    headers = {
        "Content-Type": "application/pdf",
        "Content-Length": "18",
        "Content-Disposition": 'attachment; filename="report.pdf"',
        "ETag": f'"{artifact.sha256}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": (
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox"
        ),
    }
    assert {name: response[name] for name in headers} == headers


def test_a_name_cannot_break_out_of_its_header(client: APIClient, user: User) -> None:
    """Given a name with quotes and other scripts, the header stays one header."""
    artifact = ArtifactFactory.create(job__owner=user, name='a"; x="é.pdf')
    response = client.get(f'/api/v1/jobs/{artifact.job_id}/artifacts/a"; x="é.pdf/')
    assert response["Content-Disposition"] == (
        "attachment; filename*=utf-8''a%22%3B%20x%3D%22%C3%A9.pdf"
    )
    response.close()


def test_a_known_file_is_not_sent_again(client: APIClient, user: User) -> None:
    """Given the ETag of the file, the answer is 304 without a body."""
    artifact = ArtifactFactory.create(job__owner=user)
    place = f"/api/v1/jobs/{artifact.job_id}/artifacts/report.pdf/"
    response = client.get(place, HTTP_IF_NONE_MATCH=f'"{artifact.sha256}"')
    assert (response.status_code, response.content) == (304, b"")
    assert response["ETag"] == f'"{artifact.sha256}"'


def test_nobody_else_learns_that_there_is_a_file(
    stranger: APIClient, client: APIClient, user: User
) -> None:
    """Given another's file, none, a broken id or name, the 404 is the same."""
    artifact = ArtifactFactory.create(job__owner=user)
    name = "artifacts/report.pdf/"
    answers = [
        stranger.get(f"/api/v1/jobs/{artifact.job_id}/{name}"),
        stranger.get(f"/api/v1/jobs/{uuid4()}/{name}"),
        stranger.get(f"/api/v1/jobs/nonsense/{name}"),
        client.get(f"/api/v1/jobs/{artifact.job_id}/artifacts/other.pdf/"),
        client.get(f"/api/v1/jobs/{artifact.job_id}/artifacts/a%00b/"),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


def test_a_file_that_is_gone_may_come_back(client: APIClient, user: User) -> None:
    """Given a storage without the file, the answer is 503 with a pause."""
    artifact = ArtifactFactory.create(job__owner=user)
    default_storage.delete(artifact.key)
    response = client.get(f"/api/v1/jobs/{artifact.job_id}/artifacts/report.pdf/")
    assert (response.status_code, response.json()["code"]) == (503, "storage_unavailable")
    assert response["Retry-After"] == "1"


@pytest.mark.django_db
def test_under_asgi_the_file_comes_in_blocks() -> None:
    """Given an ASGI server and 150 kB, the body is an asynchronous stream of three blocks."""
    content = bytes(range(256)) * 600
    owner = UserFactory.create()
    artifact = ArtifactFactory.create(content=content, job__owner=owner)
    token = AccessToken.for_user(owner)
    place = f"/api/v1/jobs/{artifact.job_id}/artifacts/report.pdf/"

    async def fetch() -> list[bytes]:
        response: Any = await AsyncClient().get(place, headers={"authorization": f"Bearer {token}"})
        assert (response.status_code, response.is_async) == (200, True)
        return [block async for block in response.streaming_content]

    blocks = async_to_sync(fetch)()
    assert [len(block) for block in blocks] == [65536, 65536, 22528]
    assert b"".join(blocks) == content
