"""Chat: turns are accepted whole or not at all, and conversations are their owner's."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.chat.models import Conversation, Message
from pipelines.jobs.models import Job
from tests.factories import (
    CollectionFactory,
    ConversationFactory,
    DocumentFactory,
    MessageFactory,
)
from tests.unit.api.conftest import Rows


def _say(client: APIClient, **body: Any) -> Any:
    return client.post("/api/v1/turns/", {"message": "Hello", **body}, format="json")


def test_a_turn_is_accepted(client: APIClient, user: User) -> None:
    """Given a message, the answer is the job, with where to look and when."""
    response = _say(client, metadata={"mine": 1})
    job, message = Job.objects.get(), Message.objects.get()
    assert response.status_code == 202
    assert response["Location"] == f"/api/v1/jobs/{job.pk}/"
    assert response["Retry-After"] == "1"
    body = response.json()
    assert body.pop("conversation_id") == str(message.conversation_id)
    assert body.pop("message_id") == str(message.pk)
    assert body == client.get(response["Location"]).json()
    assert (body["kind"], body["state"], body["metadata"]) == ("chat.turn", "queued", {"mine": 1})
    assert [step["name"] for step in body["steps"]] == ["chat.generate", "chat.finish"]
    assert (job.owner, message.conversation.owner, message.content) == (user, user, "Hello")


def test_a_second_turn_waits_for_the_first(client: APIClient) -> None:
    """Given two turns of one conversation, the second says what it waits for."""
    first = _say(client).json()
    second = _say(client, conversation_id=first["conversation_id"]).json()
    assert second["conversation_id"] == first["conversation_id"]
    assert second["queue"] == {
        "name": "llm",
        "position": None,
        "reason": "waits for the one before it",
    }


def test_a_turn_looks_into_what_its_owner_may_see(client: APIClient, user: User) -> None:
    """Given documents of one's own and of the house, a named collection alone is searched."""
    own = DocumentFactory.create(collection__owner=user).collection
    house = DocumentFactory.create(collection__owner=None).collection
    DocumentFactory.create()
    _say(client)
    assert sorted(Job.objects.latest("id").input["collections"]) == sorted(
        [str(own.pk), str(house.pk)]
    )
    response = _say(client, collections=[str(house.pk)])
    assert Job.objects.latest("id").input["collections"] == [str(house.pk)]
    assert response.json()["steps"][0]["name"] == "chat.retrieve"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"conversation_id": str(uuid4())}, 404, "not_found"),
        ({"conversation_id": "nonsense"}, 422, "invalid_input"),
        ({"collections": [str(uuid4())]}, 404, "not_found"),
        ({"collections": "all"}, 422, "invalid_input"),
        ({"provider": "nobody"}, 422, "unknown_provider"),
        ({"model": "m" * 129}, 422, "invalid_input"),
        ({"metadata": [1]}, 422, "invalid_input"),
    ],
)
def test_a_poor_turn_writes_nothing(
    client: APIClient, rows: Rows, body: dict[str, Any], status: int, code: str
) -> None:
    """Given a turn that cannot be accepted, neither message nor job is written."""
    before = rows()
    response = _say(client, **body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert rows() == before


def test_anothers_things_look_like_none(client: APIClient, rows: Rows) -> None:
    """Given another's conversation or collection, the body is that of an unknown one."""
    theirs, books = ConversationFactory.create(), CollectionFactory.create()
    before = rows()
    for field, value in (("conversation_id", theirs.pk), ("collections", books.pk)):
        ids = [str(value), str(uuid4())]
        sent: list[Any] = [[each] for each in ids] if field == "collections" else ids
        answers = [_say(client, **{field: each}) for each in sent]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
    assert rows() == before


def test_a_conversation_lives_from_opening_to_deletion(client: APIClient, user: User) -> None:
    """Given a conversation, it is opened, read, renamed and deleted."""
    made = client.post(
        "/api/v1/conversations/", {"title": "One", "metadata": {"mine": 1}}, format="json"
    )
    row = Conversation.objects.get()
    place = f"/api/v1/conversations/{row.pk}/"
    assert made.status_code == 201
    assert made.json() == {
        "id": str(row.pk),
        "title": "One",
        "metadata": {"mine": 1},
        "created_at": made.json()["created_at"],
        "updated_at": made.json()["updated_at"],
    }
    assert client.get(place).json() == made.json()
    renamed = client.patch(place, {"title": "Two", "metadata": {}}, format="json")
    assert renamed.json() == {**made.json(), "title": "Two"}
    assert client.get("/api/v1/conversations/").json() == {
        "data": [renamed.json()],
        "next": None,
        "previous": None,
    }
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404


def test_deleting_a_conversation_cancels_its_turn(client: APIClient) -> None:
    """Given a turn under way, deleting its conversation leaves the job, cancelled."""
    turn = _say(client).json()
    assert client.delete(f"/api/v1/conversations/{turn['conversation_id']}/").status_code == 204
    assert Message.objects.count() == 0
    assert client.get(f"/api/v1/jobs/{turn['id']}/").json()["state"] == "cancelled"


def test_a_title_has_bounds(client: APIClient, user: User) -> None:
    """Given a title that is too long or none, the old one stays."""
    conversation = ConversationFactory.create(owner=user)
    for body in ({"title": "x" * 256}, {"title": None}, {}):
        place = f"/api/v1/conversations/{conversation.pk}/"
        assert client.patch(place, body, format="json").status_code == 422
    conversation.refresh_from_db()
    assert conversation.title == "About turnpikes"


def test_strangers_neither_see_nor_touch(stranger: APIClient, user: User, rows: Rows) -> None:
    """Given another's conversation, every route says 404, and it stays as it is."""
    message = MessageFactory.create(conversation__owner=user)
    place = f"/api/v1/conversations/{message.conversation_id}/"
    before = rows()
    answers = [
        stranger.get(place),
        stranger.patch(place, {"title": "Mine"}, format="json"),
        stranger.delete(place),
        stranger.get(f"{place}messages/"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert stranger.get("/api/v1/conversations/").json()["data"] == []
    assert Conversation.objects.get().title == "About turnpikes"
    assert rows() == before


def test_a_reply_shows_what_it_used(client: APIClient, user: User) -> None:
    """Given a reply, its message has the agreed shape."""
    citation = {"title": "note.txt", "document_id": "1"}
    message = MessageFactory.create(
        conversation__owner=user,
        position=1,
        role="assistant",
        citations=[citation],
        provider="sandbox",
        model="sandbox-1",
        input_tokens=3,
        output_tokens=5,
    )
    body = client.get(f"/api/v1/conversations/{message.conversation_id}/messages/").json()
    assert body["data"] == [
        {
            "id": str(message.pk),
            "job_id": None,
            "role": "assistant",
            "content": "What is a turnpike?",
            "position": 1,
            "citations": [citation],
            "provider": "sandbox",
            "model": "sandbox-1",
            "input_tokens": 3,
            "output_tokens": 5,
            "metadata": {},
            "created_at": message.created_at.isoformat().replace("+00:00", "Z"),
        }
    ]
