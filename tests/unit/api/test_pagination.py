"""Pages go forth and back without gaps, and refuse what they did not give out."""

from __future__ import annotations

from base64 import b64encode

import pytest
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from tests.factories import ConversationFactory, MessageFactory


def test_pages_go_forth_and_back(client: APIClient, user: User) -> None:
    """Given five rows and a limit of two, three pages show each once, newest first."""
    made = [str(ConversationFactory.create(owner=user).pk) for _ in range(5)]
    first = client.get("/api/v1/conversations/?limit=2").json()
    second = client.get(first["next"]).json()
    third = client.get(second["next"]).json()
    pages = [[row["id"] for row in page["data"]] for page in (first, second, third)]
    assert pages == [[made[4], made[3]], [made[2], made[1]], [made[0]]]
    assert (first["previous"], third["next"]) == (None, None)
    assert client.get(third["previous"]).json()["data"] == second["data"]


def test_a_row_that_comes_meanwhile_moves_nothing(client: APIClient, user: User) -> None:
    """Given a row that is added after the first page, the second page is what it was."""
    made = [str(ConversationFactory.create(owner=user).pk) for _ in range(3)]
    first = client.get("/api/v1/conversations/?limit=2").json()
    ConversationFactory.create(owner=user)
    assert [row["id"] for row in client.get(first["next"]).json()["data"]] == [made[0]]


def test_messages_come_in_their_order(client: APIClient, user: User) -> None:
    """Given messages, they are paged from the first on."""
    conversation = ConversationFactory.create(owner=user)
    for position in (2, 0, 1):
        MessageFactory.create(conversation=conversation, position=position)
    first = client.get(f"/api/v1/conversations/{conversation.pk}/messages/?limit=2").json()
    second = client.get(first["next"]).json()
    positions = [[row["position"] for row in page["data"]] for page in (first, second)]
    assert positions == [[0, 1], [2]]


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "", "9" * 5000, "²"])
def test_a_limit_has_bounds(client: APIClient, limit: str) -> None:
    """Given a limit out of bounds, the answer is 422."""
    response = client.get("/api/v1/jobs/", {"limit": limit})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "limit")


@pytest.mark.parametrize(
    "cursor",
    ["x", "é", b64encode(b"p=nonsense").decode(), b64encode(b"p=\0").decode(), b64encode(b"o=-1")],
)
@pytest.mark.parametrize("kind", ["jobs/", "conversations/{}/messages/"])
def test_a_foreign_cursor_is_refused(client: APIClient, user: User, kind: str, cursor: str) -> None:
    """Given a cursor that no list gave out, the answer is 422."""
    place = kind.format(ConversationFactory.create(owner=user).pk)
    response = client.get(f"/api/v1/{place}", {"cursor": cursor})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_cursor")
