"""The unmodified `openai` package against `/v1`.

These run in whatever environment holds the package and pytest, and import nothing of Turnpike's:
`test_openai.py` starts a Turnpike, and runs them in its own environment and in another one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response

from tests.acceptance.receiver import webhook_receiver

URL = os.environ["TURNPIKE_URL"]
# An account, and keys of it; what is asked with the second is answered from its knowledge.
ACCOUNT = {"Authorization": f"Bearer {os.environ['TURNPIKE_TOKEN']}"}
KEY, RETRIEVING_KEY = os.environ["TURNPIKE_KEY"], os.environ["TURNPIKE_RETRIEVING_KEY"]
# A key of an account that has no credits.
POOR_KEY = os.environ["TURNPIKE_POOR_KEY"]
# The collection in which the account has the document FILE.
STORE, FILE = os.environ["TURNPIKE_STORE"], "tolls.txt"

QUESTION = "Who pays the toll"
KNOWN = "What does the carter pay at the gate?"
SLOW = f"{QUESTION} [[sandbox delta=0.05]]"
EMBEDDER = "all-minilm-l6-v2"
PATIENCE = 30.0


def program(key: str) -> OpenAI:
    """A client as anybody makes one, but that it tries nothing again."""
    return OpenAI(api_key=key, base_url=f"{URL}/v1", timeout=60, max_retries=0)


@pytest.fixture(scope="module")
def sdk() -> Iterator[OpenAI]:
    with program(KEY) as client:
        yield client


def until_ended(sdk: OpenAI, response: Response) -> Response:
    """Poll a response."""
    deadline = time.monotonic() + PATIENCE
    while response.status in {"queued", "in_progress"} and time.monotonic() < deadline:
        time.sleep(0.1)
        response = sdk.responses.retrieve(response.id)
    return response


def test_a_plain_response(sdk: OpenAI) -> None:
    response = sdk.responses.create(model="sandbox-1", input=QUESTION)
    assert response.status == "completed"
    assert QUESTION in response.output_text
    assert response.usage is not None
    assert response.usage.total_tokens > 0


def test_a_stream(sdk: OpenAI) -> None:
    with sdk.responses.stream(model="sandbox-1", input=QUESTION) as stream:
        deltas = "".join(
            event.delta for event in stream if event.type == "response.output_text.delta"
        )
        final = stream.get_final_response()
    assert final.status == "completed"
    assert deltas == final.output_text


def test_one_in_the_background_is_polled(sdk: OpenAI) -> None:
    response = sdk.responses.create(model="sandbox-1", input=QUESTION, background=True)
    assert response.status in {"queued", "in_progress"}
    assert QUESTION in until_ended(sdk, response).output_text


def test_a_background_stream_that_was_cut_is_resumed(sdk: OpenAI) -> None:
    text, place, response_id = "", None, ""
    with sdk.responses.create(
        model="sandbox-1", input=SLOW, background=True, stream=True
    ) as stream:
        for event in stream:
            place = event.sequence_number
            if event.type == "response.created":
                response_id = event.response.id
            if event.type == "response.output_text.delta":
                text += event.delta
                if len(text) > 40:
                    break
    assert place is not None
    final = None
    for event in sdk.responses.retrieve(response_id, stream=True, starting_after=place):
        assert event.sequence_number > place
        place = event.sequence_number
        if event.type == "response.output_text.delta":
            text += event.delta
        if event.type == "response.completed":
            final = event.response
    assert final is not None
    assert text == final.output_text


def test_the_packages_own_resumption(sdk: OpenAI) -> None:
    """Given its helper, which reads from the beginning and passes over what it has had."""
    made = sdk.responses.create(model="sandbox-1", input=SLOW, background=True)
    with sdk.responses.stream(response_id=made.id) as stream:
        whole = [event for event in stream if event.type == "response.output_text.delta"]
    middle = whole[len(whole) // 2].sequence_number
    with sdk.responses.stream(response_id=made.id, starting_after=middle) as stream:
        rest = [event for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert [event.sequence_number for event in rest] == [
        event.sequence_number for event in whole if event.sequence_number > middle
    ]
    assert "".join(event.delta for event in whole) == final.output_text


def test_a_cancel(sdk: OpenAI) -> None:
    made = sdk.responses.create(model="sandbox-1", input=SLOW, background=True)
    assert sdk.responses.cancel(made.id).status == "cancelled"
    assert sdk.responses.retrieve(made.id).status == "cancelled"


def test_a_deletion(sdk: OpenAI) -> None:
    made = sdk.responses.create(model="sandbox-1", input=QUESTION)
    sdk.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(made.id)


def test_what_was_said(sdk: OpenAI) -> None:
    made = sdk.responses.create(model="sandbox-1", input=QUESTION)
    [item] = sdk.responses.input_items.list(made.id).data
    assert item.type == "message"
    assert item.content[0].text == QUESTION  # type: ignore[union-attr]


def test_one_follows_another(sdk: OpenAI) -> None:
    first = sdk.responses.create(model="sandbox-1", input="My name is Ada.")
    second = sdk.responses.create(
        model="sandbox-1", input="Who am I?", previous_response_id=first.id
    )
    assert second.previous_response_id == first.id
    assert second.status == "completed"


def test_a_conversation(sdk: OpenAI) -> None:
    conversation = sdk.conversations.create(items=[{"role": "user", "content": "Hello."}])
    response = sdk.responses.create(model="sandbox-1", input=QUESTION, conversation=conversation.id)
    items = sdk.conversations.items.list(conversation.id, order="asc").data
    texts = [item.content[0].text for item in items if item.type == "message"]  # type: ignore[union-attr]
    assert texts == ["Hello.", QUESTION, response.output_text]
    sdk.conversations.delete(conversation.id)
    with pytest.raises(openai.NotFoundError):
        sdk.conversations.retrieve(conversation.id)


def test_chat_completions(sdk: OpenAI) -> None:
    whole = sdk.chat.completions.create(
        model="sandbox-1", messages=[{"role": "user", "content": QUESTION}]
    )
    chunks = list(
        sdk.chat.completions.create(
            model="sandbox-1",
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None


def test_the_same_request_again_with_its_key(sdk: OpenAI) -> None:
    """The package tries again by itself; with a key of the caller's that makes nothing twice."""
    key = {"Idempotency-Key": "once"}

    def create(_: int) -> str:
        made = sdk.responses.create(model="sandbox-1", input=QUESTION, extra_headers=key)
        assert made.status == "completed"
        return made.id

    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(create, range(20)))) == 1
    with pytest.raises(openai.BadRequestError):
        sdk.responses.create(model="sandbox-1", input="Who else?", extra_headers=key)


def cited(response: Response) -> list[str]:
    """The files that an answer names."""
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    return [
        note.filename
        for part in parts
        if part.type == "output_text"
        for note in part.annotations
        if note.type == "file_citation"
    ]


def test_a_search_in_files_by_request(sdk: OpenAI) -> None:
    found = sdk.responses.create(
        model="sandbox-1",
        input=KNOWN,
        tools=[{"type": "file_search", "vector_store_ids": [STORE]}],
    )
    assert [item.type for item in found.output] == ["file_search_call", "message"]
    assert FILE in cited(found)
    assert cited(sdk.responses.create(model="sandbox-1", input=KNOWN)) == []


def test_an_answer_is_sent_back(sdk: OpenAI) -> None:
    """As clients do that keep a conversation themselves."""
    first = sdk.responses.create(
        model="sandbox-1",
        input=KNOWN,
        tools=[{"type": "file_search", "vector_store_ids": [STORE]}],
    )
    said = [{"role": "user", "content": KNOWN}, *(item.to_dict() for item in first.output)]
    said.append({"role": "user", "content": "And at night?"})
    second = sdk.responses.create(model="sandbox-1", input=said)  # type: ignore[arg-type]
    assert second.status == "completed"


def test_a_search_in_files_by_key() -> None:
    with program(RETRIEVING_KEY) as sdk:
        assert FILE in cited(sdk.responses.create(model="sandbox-1", input=KNOWN))
        without = sdk.responses.create(model="sandbox-1", input=KNOWN, tool_choice="none")
        assert cited(without) == []


def test_embeddings(sdk: OpenAI) -> None:
    made = sdk.embeddings.create(model=EMBEDDER, input=["a toll road", "a turnpike", "a sonata"])
    road, pike, song = (row.embedding for row in made.data)
    assert len(road) == 384

    def near(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert near(road, pike) > near(road, song)


def test_models(sdk: OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["sandbox-1", EMBEDDER]
    assert sdk.models.retrieve("sandbox-1").owned_by == "sandbox"


def test_a_request_that_is_refused(sdk: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.responses.create(model="sandbox-1", input=QUESTION, top_logprobs=3)
    assert refused.value.param == "top_logprobs"
    assert refused.value.code == "unsupported_parameter"


def test_a_key_that_is_none() -> None:
    with program("tpk_none") as nobody, pytest.raises(openai.AuthenticationError):
        nobody.models.list()


def test_a_key_for_other_things() -> None:
    made = httpx.post(
        f"{URL}/api/v1/api-keys/",
        headers=ACCOUNT,
        json={"name": "reader", "scopes": ["read"]},
    )
    with program(made.json()["key"]) as reader, pytest.raises(openai.PermissionDeniedError):
        reader.models.list()


def test_what_there_is_not(sdk: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve("resp_" + "0" * 32)
    with pytest.raises(openai.NotFoundError) as missing:
        sdk.embeddings.create(model="text-embedding-3-small", input="a toll road")
    assert missing.value.code == "model_not_found"


def test_what_cannot_be_done_now(sdk: OpenAI) -> None:
    made = sdk.responses.create(model="sandbox-1", input=SLOW, background=True)
    with pytest.raises(openai.ConflictError):
        sdk.responses.create(model="sandbox-1", input="And?", previous_response_id=made.id)
    sdk.responses.cancel(made.id)


def test_a_balance_that_does_not_cover_it() -> None:
    with program(POOR_KEY) as poor, pytest.raises(openai.RateLimitError) as refused:
        poor.responses.create(model="sandbox-1", input=QUESTION)
    assert refused.value.code == "insufficient_quota"


def test_a_client_that_does_not_wait(sdk: OpenAI) -> None:
    """Its question is answered all the same, as the conversation shows."""
    conversation = sdk.conversations.create()
    with pytest.raises(openai.APITimeoutError):
        sdk.with_options(timeout=0.3).responses.create(
            model="sandbox-1", input=SLOW, conversation=conversation.id
        )
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        items = sdk.conversations.items.list(conversation.id, order="asc").data
        if len(items) == 2:
            return
        time.sleep(0.1)
    pytest.fail("there is no answer")


def test_a_door_that_is_shut() -> None:
    with (
        OpenAI(api_key=KEY, base_url="http://127.0.0.1:1/v1", max_retries=0) as nowhere,
        pytest.raises(openai.APIConnectionError),
    ):
        nowhere.models.list()


def test_a_provider_that_fails(sdk: OpenAI) -> None:
    failed = sdk.responses.create(model="sandbox-1", input="hello [[sandbox error=401]]")
    assert failed.status == "failed"
    assert failed.error is not None
    with pytest.raises(openai.InternalServerError):
        sdk.chat.completions.create(
            model="sandbox-1", messages=[{"role": "user", "content": "x [[sandbox error=401]]"}]
        )


def test_webhooks_are_unwrapped(sdk: OpenAI) -> None:
    with webhook_receiver() as receiver:
        body = {"url": receiver.url, "events": ["response.completed"]}
        made = httpx.post(f"{URL}/api/v1/webhooks/endpoints/", headers=ACCOUNT, json=body)
        endpoint = made.json()
        response = sdk.responses.create(model="sandbox-1", input=QUESTION, background=True)
        deadline = time.monotonic() + PATIENCE
        while not receiver.received and time.monotonic() < deadline:
            time.sleep(0.1)
        [sent] = receiver.received
        event = sdk.webhooks.unwrap(sent.body, sent.headers, secret=endpoint["secret"])
        httpx.delete(f"{URL}/api/v1/webhooks/endpoints/{endpoint['id']}/", headers=ACCOUNT)
        with pytest.raises(openai.InvalidWebhookSignatureError):
            sdk.webhooks.unwrap(sent.body + b" ", sent.headers, secret=endpoint["secret"])
    assert event.type == "response.completed"
    assert event.data.id == response.id
