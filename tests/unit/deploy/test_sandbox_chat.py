"""The sandbox's chat completions and models, and what both of its protocols refuse."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.sandbox_server import SandboxServer
from tests.unit.deploy.sandbox_client import ANSWER, PIECES, chat, create, wait_for

pytestmark = pytest.mark.enable_socket


def test_a_plain_chat_completion(client: OpenAI) -> None:
    completion = chat(client)

    (choice,) = completion.choices
    assert choice.message.content == ANSWER
    assert choice.finish_reason == "stop"
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (4, len(PIECES))


@pytest.mark.parametrize("with_usage", [True, False])
def test_a_streamed_chat_completion(client: OpenAI, with_usage: bool) -> None:
    chunks = list(chat(client, stream=True, stream_options={"include_usage": with_usage}))

    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert choices[0].delta.role == "assistant"
    assert "".join(choice.delta.content or "" for choice in choices) == ANSWER
    assert [c.finish_reason for c in choices] == [None] * (len(PIECES) + 1) + ["stop"]
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == (
        [4 + len(PIECES)] if with_usage else []
    )


def test_a_chat_ends_with_its_client(client: OpenAI, sandbox: SandboxServer) -> None:
    stream = chat(client, "delta=0.02", stream=True)
    next(stream)
    stream.close()

    wait_for(sandbox, "disconnected")
    assert "completed" not in sandbox.stats()


def test_models(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["sandbox-1"]
    assert client.models.retrieve("sandbox-large").id == "sandbox-large"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-none")


@pytest.mark.parametrize("make", [create, chat])
def test_an_unknown_model_is_not_found(client: OpenAI, make: Any) -> None:
    assert make(client, model="sandbox-of-ours")
    with pytest.raises(openai.NotFoundError) as raised:
        make(client, model="gpt-none")
    assert raised.value.code == "model_not_found"


def test_what_is_missing_is_named(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as no_input:
        create(client, input=[])
    with pytest.raises(openai.BadRequestError) as no_messages:
        chat(client, messages=[])
    with pytest.raises(openai.BadRequestError) as no_model:
        create(client, model="")
    errors = [no_input.value, no_messages.value, no_model.value]
    assert [error.param for error in errors] == ["input", "messages", "model"]
    assert {error.code for error in errors} == {"missing_required_parameter"}
