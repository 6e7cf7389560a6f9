"""A client of OpenAI's that asks again with its key gets what it was given before."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.chat.services import conversation_create
from pipelines.responses.models import Response
from tests.unit.api.conftest import Rows

SAID = [{"role": "user", "content": "Who pays?"}]
CREATING: dict[str, dict[str, Any]] = {
    "responses": {"input": "Who pays?", "background": True},
    "chat/completions": {"messages": SAID},
    "embeddings": {"input": "Who pays?"},
    "conversations": {"items": SAID},
    "conversations/{conversation}/items": {"items": SAID},
}


def _post(sdk: APIClient, path: str, body: dict[str, Any]) -> Any:
    return sdk.post(f"/v1/{path}", body, format="json", headers={"Idempotency-Key": "k-1"})


@pytest.mark.parametrize("path", CREATING)
def test_the_same_request_with_its_key_creates_nothing_more(
    sdk: APIClient, user: User, rows: Rows, path: str
) -> None:
    place = path.format(conversation=f"conv_{conversation_create(owner=user).pk.hex}")

    first = _post(sdk, place, CREATING[path])
    after = rows()
    again = _post(sdk, place, CREATING[path])

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert rows() == after


def test_a_key_with_another_request_is_refused(sdk: APIClient) -> None:
    _post(sdk, "responses", CREATING["responses"])
    other = _post(sdk, "responses", {**CREATING["responses"], "input": "Who else?"})
    assert other.status_code == 400
    assert other.json()["error"]["code"] == "idempotency_key_reused"
    assert Response.objects.count() == 1


def test_a_key_tells_of_the_response_as_it_stands(sdk: APIClient) -> None:
    first = _post(sdk, "responses", CREATING["responses"]).json()
    sdk.post(f"/v1/responses/{first['id']}/cancel")
    assert _post(sdk, "responses", CREATING["responses"]).json()["status"] == "cancelled"

    sdk.delete(f"/v1/responses/{first['id']}")
    assert _post(sdk, "responses", CREATING["responses"]).status_code == 404
    assert not Response.objects.exists()


def test_a_conversation_whose_items_are_refused_is_none(
    sdk: APIClient, rows: Rows, settings: Settings
) -> None:
    settings.INPUT_MAX_CHARACTERS = 8
    before = rows()
    refused = _post(sdk, "conversations", {"items": SAID})
    assert refused.status_code == 400, refused.content
    assert rows() == before
