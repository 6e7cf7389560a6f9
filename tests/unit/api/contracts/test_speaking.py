"""A contract's message: the reply is waited for, and whatever comes instead is said plainly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.chat.models import Message, Role
from pipelines.chat.services import conversation_delete
from pipelines.core.errors import NotFound, ProviderRefused
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel, job_end
from pipelines.jobs.states import JobState
from tests.unit.api.conftest import Rows

# Where each contract takes a message, with a body, and what it calls a conversation's id.
SPEAKING: dict[str, tuple[str, dict[str, Any], str]] = {
    "rag": ("/api/chat", {"message": "Who pays?"}, "conversation_id"),
    "tokens": ("/api/chat/", {"message": "Who pays?"}, "conversation_id"),
    "sessions": ("/api/v1/chat/", {"message": "Who pays?"}, "session_id"),
}
each = pytest.mark.parametrize("contract", SPEAKING)


def _say(client: APIClient, contract: str, **headers: str) -> Any:
    path, body, _ = SPEAKING[contract]
    return client.post(path, body, format="json", headers=headers)


def _later(response: Any) -> tuple[int, Any]:
    """What is answered when the wait is over."""
    answer = response.parked.look(is_over=True)
    return answer.status_code, json.loads(answer.content)


@each
def test_a_message_waits_for_its_reply(client: APIClient, contract: str) -> None:
    response = _say(client, contract)
    assert (response.parked.seconds, response.parked.look(is_over=False)) == (30, None)
    said = Message.objects.get()
    Message.objects.create(
        conversation=said.conversation, role=Role.ASSISTANT, content="The carter.", position=1
    )
    status, body = _later(response)
    assert status == 200
    assert "The carter." in {body.get("response"), body["message"]}


@each
def test_a_wait_that_is_over_says_where_to_ask(client: APIClient, contract: str) -> None:
    response = _say(client, contract)
    job, said = Job.objects.get(), Message.objects.get()
    assert (response.status_code, response["Location"]) == (202, f"/api/v1/jobs/{job.pk}/")
    assert _later(response) == (
        202,
        {
            SPEAKING[contract][2]: str(said.conversation_id),
            "job_id": str(job.pk),
            "status": "queued",
            "detail": "The reply is being written.",
        },
    )


@each
def test_a_turn_that_fails_says_why(client: APIClient, contract: str) -> None:
    response = _say(client, contract)
    job_end(Job.objects.get(), JobState.FAILED, error=ProviderRefused("It was refused."))
    assert _later(response) == (502, {"error": "It was refused.", "code": "provider_refused"})


@each
def test_a_turn_that_is_cancelled_says_so(client: APIClient, contract: str) -> None:
    response = _say(client, contract)
    job_cancel(job_id=Job.objects.get().pk)
    assert _later(response)[0] == 409


@each
def test_a_conversation_that_was_deleted_meanwhile(client: APIClient, contract: str) -> None:
    response = _say(client, contract)
    conversation_delete(conversation=Message.objects.get().conversation)
    with pytest.raises(NotFound) as gone:
        response.parked.look(is_over=True)
    answer = response.parked.handler(gone.value, {})
    said = {"error": "What was asked for was deleted.", "code": "not_found"}
    assert (answer.status_code, answer.data) == (404, said)


@each
def test_a_client_may_say_how_long_it_waits(
    client: APIClient, contract: str, settings: Settings
) -> None:
    assert not hasattr(_say(client, contract, Prefer="respond-async"), "parked")
    assert _say(client, contract, Prefer="wait=7").parked.seconds == 7
    settings.CONTRACT_WAIT_SECONDS = 0
    assert not hasattr(_say(client, contract), "parked")


@each
def test_the_same_again_is_the_same_turn(client: APIClient, contract: str, rows: Rows) -> None:
    first = _say(client, contract, **{"Idempotency-Key": "k"})
    after = rows()
    again = _say(client, contract, **{"Idempotency-Key": "k"})
    assert (again.status_code, again["Location"]) == (202, first["Location"])
    assert rows() == after


@each
def test_a_message_that_is_too_long_is_refused(
    client: APIClient, contract: str, settings: Settings
) -> None:
    settings.MESSAGE_MAX_CHARACTERS = 4
    refused = _say(client, contract)
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert refused.json()["error"] == "A message has at most 4 characters."


def test_a_conversation_names_its_message_twofold(client: APIClient, user: User) -> None:
    made = client.post("/api/chat/conversations/", {"title": "Tolls"}, format="json").json()
    path = f"/api/chat/conversations/{made['id']}/message/"
    response = client.post(path, {"content": "Who pays?"}, format="json")
    said = Message.objects.get()
    Message.objects.create(
        conversation=said.conversation, role=Role.ASSISTANT, content="The carter.", position=1
    )
    _, body = _later(response)
    shown = {name: (row["role"], row["content"]) for name, row in body.items()}
    assert shown == {
        "user_message": ("user", "Who pays?"),
        "assistant_message": ("assistant", "The carter."),
    }
