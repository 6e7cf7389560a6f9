"""`/v1/conversations`, their items, and `/v1/models`."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types import Model
from openai.types.conversations import Conversation, ConversationItemList, Message
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.chat.services import conversation_create, turn_accept

CONVERSATIONS = "/v1/conversations"


def create(sdk: APIClient, *texts: str) -> Any:
    items = [{"type": "message", "role": "user", "content": text} for text in texts]
    made = sdk.post(CONVERSATIONS, {"items": items, "metadata": {"a": "b"}}, format="json")
    assert made.status_code == 200, made.content
    return made.json()


def texts(listed: Any) -> list[str]:
    return [row["content"][0]["text"] for row in listed["data"]]


def test_a_conversation_is_made_described_and_deleted(sdk: APIClient) -> None:
    made = create(sdk)
    place = f"{CONVERSATIONS}/{made['id']}"

    assert Conversation.model_validate(made).metadata == {"a": "b"}
    assert sdk.get(place).json() == made
    changed = sdk.post(place, {"metadata": {"c": "d"}}, format="json").json()
    assert changed == {**made, "metadata": {"c": "d"}}
    deleted = sdk.delete(place).json()
    assert deleted == {"id": made["id"], "object": "conversation.deleted", "deleted": True}
    assert sdk.get(place).status_code == 404


def test_items_are_added_read_and_deleted(sdk: APIClient) -> None:
    made = create(sdk, "one", "two")
    place = f"{CONVERSATIONS}/{made['id']}/items"
    body = {"items": [{"role": "assistant", "content": "three"}]}
    added = sdk.post(place, body, format="json").json()
    [item] = added["data"]

    listed = sdk.get(place).json()
    ConversationItemList.model_validate(listed)
    assert texts(listed) == ["three", "two", "one"]
    assert item == listed["data"][0]
    assert Message.model_validate(item).role == "assistant"
    assert sdk.get(f"{place}/{item['id']}").json() == item
    assert sdk.delete(f"{place}/{item['id']}").json()["id"] == made["id"]
    assert texts(sdk.get(f"{place}?order=asc").json()) == ["one", "two"]
    assert sdk.get(f"{place}/{item['id']}").status_code == 404


def test_items_come_in_pages(sdk: APIClient) -> None:
    place = f"{CONVERSATIONS}/{create(sdk, 'one', 'two', 'three')['id']}/items"

    first = sdk.get(f"{place}?limit=2&order=asc").json()
    rest = sdk.get(f"{place}?limit=2&order=asc&after={first['last_id']}").json()

    assert (texts(first), first["has_more"]) == (["one", "two"], True)
    assert (texts(rest), rest["has_more"]) == (["three"], False)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "order=up"])
def test_what_is_no_page_is_refused(sdk: APIClient, query: str) -> None:
    place = f"{CONVERSATIONS}/{create(sdk, 'one')['id']}/items"
    assert sdk.get(f"{place}?{query}").status_code == 400


def test_it_is_the_conversation_of_the_native_api(sdk: APIClient, user: User) -> None:
    conversation = conversation_create(owner=user)
    turn_accept(owner=user, message="Who pays?", conversation_id=conversation.pk)
    listed = sdk.get(f"{CONVERSATIONS}/conv_{conversation.pk.hex}/items").json()
    assert texts(listed) == ["Who pays?"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", ""), ("post", ""), ("delete", ""), ("get", "/items"), ("post", "/items")],
)
def test_anothers_is_as_one_that_does_not_exist(
    sdk: APIClient, foreign: APIClient, method: str, path: str
) -> None:
    made = create(sdk, "one")
    body = {"items": [{"role": "user", "content": "x"}]} if path else {}
    answers = [
        getattr(foreign, method)(f"{CONVERSATIONS}/{name}{path}", body, format="json")
        if method == "post"
        else getattr(foreign, method)(f"{CONVERSATIONS}/{name}{path}")
        for name in (made["id"], "conv_" + "0" * 32, "nothing")
    ]
    assert {one.status_code for one in answers} == {404}
    assert len({one.content for one in answers}) == 1


def test_the_models_are_those_of_the_providers(sdk: APIClient) -> None:
    sandbox, embedder = sdk.get("/v1/models").json()["data"]
    assert Model.model_validate(sandbox).owned_by == "sandbox"
    assert (embedder["id"], embedder["owned_by"]) == ("all-minilm-l6-v2", "turnpike")
    assert sdk.get("/v1/models/sandbox-1").json() == sandbox
    assert sdk.get("/v1/models/sandbox/sandbox-1").json()["id"] == "sandbox/sandbox-1"
    assert sdk.get("/v1/models/gpt-0").status_code == 404
