"""`/v1/responses` over HTTP: what is taken, what is refused by name, and who may see what."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import Response as OpenAIResponse
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.api_keys.models import Scope
from pipelines.chat.services import conversation_create
from pipelines.jobs.models import Job
from pipelines.jobs.states import JobState
from pipelines.responses.models import Response
from pipelines.responses.services import answer_record
from tests.factories import CollectionFactory, DocumentFactory
from tests.unit.api.conftest import Rows
from tests.unit.api.contracts.openai.conftest import program

RESPONSES, COMPLETIONS = "/v1/responses", "/v1/chat/completions"
ASKED = {"model": "sandbox-1", "input": "Who pays?", "background": True}
OUTPUT = {
    "text": "The carter.",
    "citations": [],
    "finish_reason": "stop",
    "generation": 0,
    "input_tokens": 3,
    "output_tokens": 5,
}


def create(sdk: APIClient, **fields: Any) -> Any:
    made = sdk.post(RESPONSES, {**ASKED, **fields}, format="json")
    assert made.status_code == 200, made.content
    return made.json()


def answer(response_id: str) -> Response:
    """Let a response be answered."""
    found = Response.objects.get(pk=response_id.removeprefix("resp_"))
    answered = {"provider": "sandbox", "model": "sandbox-1", **OUTPUT}
    answer_record(response=found, text="The carter.", citations=[], answer=answered)
    assert found.job is not None
    Job.objects.filter(pk=found.job.pk).update(state=JobState.COMPLETED, output=OUTPUT)
    return found


def test_one_in_the_background_is_there_to_come_back_for(sdk: APIClient) -> None:
    made = create(sdk, instructions="Be brief.", metadata={"mine": "1"}, temperature=0, user="u")

    assert OpenAIResponse.model_validate(made).status == "queued"
    assert (made["background"], made["instructions"]) == (True, "Be brief.")
    assert (made["metadata"], made["temperature"], made["user"]) == ({"mine": "1"}, 0.0, "u")
    assert sdk.get(f"{RESPONSES}/{made['id']}").json() == made
    answer(made["id"])
    done = sdk.get(f"{RESPONSES}/{made['id']}").json()
    assert OpenAIResponse.model_validate(done).output_text == "The carter."
    assert done["usage"]["total_tokens"] == 8


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Hello", [("user", "Hello")]),
        (
            [
                {"role": "developer", "content": "Be brief."},
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Hi"}],
                },
                {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": []},
                {"role": "assistant", "content": [{"type": "output_text", "text": "Yes?"}]},
                {"role": "user", "content": "Who pays?"},
            ],
            [("system", "Be brief."), ("user", "Hi"), ("assistant", "Yes?"), ("user", "Who pays?")],
        ),
    ],
)
def test_an_input_is_a_text_or_messages(
    sdk: APIClient, said: Any, kept: list[tuple[str, str]]
) -> None:
    made = create(sdk, input=said)
    found = Response.objects.get()
    assert [(item["role"], item["text"]) for item in found.items] == kept
    items = sdk.get(f"{RESPONSES}/{made['id']}/input_items?order=asc").json()
    assert [(row["role"], row["content"][0]["text"]) for row in items["data"]] == kept
    assert sdk.get(f"{RESPONSES}/{made['id']}/input_items").json()["data"] == items["data"][::-1]


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"input": ""}, "input", "empty"),
        ({"input": 1}, "input", "invalid_value"),
        ({"input": [{"role": "king", "content": "x"}]}, "input[0].role", "invalid_value"),
        ({"input": [{"type": "image"}]}, "input[0].type", "unsupported_parameter"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0].type",
            "unsupported_parameter",
        ),
        ({"model": 7}, "model", "invalid_type"),
        ({"model": "m" * 129}, "model", "invalid_value"),
        ({"model": ""}, "model", "invalid_value"),
        ({"input": "a\0b"}, "input", "nul_byte"),
        ({"background": "yes"}, "background", "invalid_type"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata", "invalid_value"),
        ({"reasoning": {"effort": "low"}}, "reasoning", "unsupported_parameter"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls", "unsupported_parameter"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "unsupported_parameter"),
        ({"tools": [{"type": "file_search"}]}, "tools[0].vector_store_ids", "invalid_value"),
        ({"max_output_tokens": 0}, "max_output_tokens", "invalid_value"),
        ({"tool_choice": "required"}, "tool_choice", "unsupported_parameter"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice", "unsupported_parameter"),
        ({"color": "red"}, "color", "unknown_parameter"),
        (
            {"previous_response_id": "resp_x", "conversation": "conv_x"},
            "previous_response_id",
            "mutually_exclusive",
        ),
    ],
)
def test_what_is_not_supported_is_refused_by_its_name(
    sdk: APIClient, rows: Rows, fields: dict[str, Any], param: str, code: str
) -> None:
    before = rows()

    refused = sdk.post(RESPONSES, {**ASKED, **fields}, format="json")

    assert refused.status_code == 400, refused.content
    error = refused.json()["error"]
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"] == "invalid_request_error"
    assert {**rows(), "api_keys.ApiKey": 0} == {**before, "api_keys.ApiKey": 0}


def test_a_search_is_in_collections_of_its_owners(sdk: APIClient, user: User) -> None:
    document = DocumentFactory.create(collection=CollectionFactory.create(owner=user))
    store = f"vs_{document.collection_id.hex}"
    create(sdk, tools=[{"type": "file_search", "vector_store_ids": [store]}])
    assert Job.objects.get().input["collections"] == [str(document.collection_id)]

    foreign = f"vs_{CollectionFactory.create().pk.hex}"
    for name in (foreign, "vs_none"):
        tools = [{"type": "file_search", "vector_store_ids": [name]}]
        refused = sdk.post(RESPONSES, {**ASKED, "tools": tools}, format="json")
        assert refused.status_code == 404


def test_a_key_may_have_all_knowledge_searched(sdk: APIClient, user: User) -> None:
    documents = [DocumentFactory.create(collection__owner=owner) for owner in (user, None)]
    everywhere = {str(document.collection_id) for document in documents}
    DocumentFactory.create()  # another's
    client = program(user, has_retrieval=True)
    store = {"type": "file_search", "vector_store_ids": [f"vs_{documents[0].collection_id.hex}"]}

    create(client)
    create(client, tools=[store])
    for refusing in ({"tool_choice": "none"}, {"tool_choice": "none", "tools": [store]}):
        assert create(client, **refusing)["tool_choice"] == "none"
    create(sdk)
    client.post(COMPLETIONS, {"messages": [{"role": "user", "content": "x"}]}, format="json")

    searched = [set(job.input["collections"]) for job in Job.objects.order_by("id")]
    assert searched == [
        everywhere,
        {str(documents[0].collection_id)},
        set(),
        set(),
        set(),
        everywhere,
    ]


def test_the_input_is_listed_in_pages(sdk: APIClient) -> None:
    said = [{"role": "user", "content": str(number)} for number in range(5)]
    place = f"{RESPONSES}/{create(sdk, input=said)['id']}/input_items"

    def page(**query: str) -> tuple[list[str], bool, str]:
        told = sdk.get(place, query).json()
        texts = [row["content"][0]["text"] for row in told["data"]]
        return texts, told["has_more"], told["last_id"]

    texts, has_more, last = page(limit="3")
    assert (texts, has_more) == (["4", "3", "2"], True)
    assert page(limit="3", after=last)[:2] == (["1", "0"], False)
    assert page(order="asc")[0] == ["0", "1", "2", "3", "4"]
    for query, param in (
        ({"limit": "101"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"order": "up"}, "order"),
        ({"include[]": "x"}, "include"),
    ):
        refused = sdk.get(place, query)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert sdk.get(place, {"after": "msg_none"}).status_code == 404


def test_one_follows_another_or_is_said_in_a_conversation(sdk: APIClient, user: User) -> None:
    first = create(sdk)
    early = sdk.post(RESPONSES, {**ASKED, "previous_response_id": first["id"]}, format="json")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "not_answered")
    answer(first["id"])
    conversation = conversation_create(owner=user)
    shown = f"conv_{conversation.pk.hex}"

    second = create(sdk, previous_response_id=first["id"])
    said = [create(sdk, conversation=named) for named in (shown, {"id": shown})]

    assert second["previous_response_id"] == first["id"]
    assert [one["conversation"] for one in said] == [{"id": shown}] * 2


def test_one_that_outlived_its_job_can_be_streamed(sdk: APIClient) -> None:
    made = create(sdk)
    answer(made["id"])
    Job.objects.all().delete()
    told = sdk.get(f"{RESPONSES}/{made['id']}?stream=true")
    assert told.status_code == 200
    assert told["Content-Type"].startswith("text/event-stream")


def test_a_cancel_and_a_deletion(sdk: APIClient) -> None:
    made = create(sdk)
    place = f"{RESPONSES}/{made['id']}"

    cancelled = [sdk.post(f"{place}/cancel").json()["status"] for _ in "12"]
    deleted = sdk.delete(place).json()

    assert cancelled == ["cancelled", "cancelled"]
    assert deleted == {"id": made["id"], "object": "response", "deleted": True}
    assert sdk.get(place).status_code == 404


def test_only_the_background_is_come_back_to_as_a_stream(sdk: APIClient, user: User) -> None:
    made = create(sdk)
    found = Response.objects.get()
    Response.objects.filter(pk=found.pk).update(is_background=False)
    for refused in (
        sdk.get(f"{RESPONSES}/{made['id']}?stream=true"),
        sdk.post(f"{RESPONSES}/{made['id']}/cancel"),
    ):
        assert refused.status_code in {400, 409}
        assert "background" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"), [("get", ""), ("delete", ""), ("post", "/cancel"), ("get", "/input_items")]
)
def test_anothers_is_as_one_that_does_not_exist(
    sdk: APIClient, foreign: APIClient, method: str, path: str
) -> None:
    made = create(sdk)
    answers = [
        getattr(foreign, method)(f"{RESPONSES}/{name}{path}")
        for name in (made["id"], "resp_" + "0" * 32, "nothing")
    ]
    assert {one.status_code for one in answers} == {404}
    assert len({one.content for one in answers}) == 1


def test_a_key_needs_the_scope(user: User) -> None:
    refused = program(user, Scope.READ, Scope.WRITE).post(RESPONSES, ASKED, format="json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "wrong_scope")


def test_without_a_key_nobody_comes_in(anonymous: APIClient) -> None:
    refused = anonymous.post(RESPONSES, ASKED, format="json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


def test_what_is_no_route_is_told_in_openais_form(sdk: APIClient) -> None:
    answer = sdk.get("/v1/assistants")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error")
