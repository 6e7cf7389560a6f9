"""What the sandbox's tests ask it through the unmodified openai package, and what it answers."""

from __future__ import annotations

import time
from typing import Any

import openai
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from deploy.local.sandbox.answers import pieces
from tests.sandbox_server import SandboxServer

QUESTION = "What is a lease?"
ANSWER = (
    "This is the sandbox model; it quotes and does not think. "
    "It found nothing in the knowledge base about \u201cWhat is a lease\u201d."
)
PIECES = pieces(ANSWER)
OPENING = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
]
CLOSING = [
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]
DELTAS = ["response.output_text.delta"] * len(PIECES)
PASSAGES = (
    "<reference_material>\n"
    '<passage number="3" title="Notes">\n'
    "Cats sleep. A lease is a claim that runs out.\n</passage>\n"
    '<passage number="7" title="More">\nEvery lease has an owner!\n</passage>\n'
    "</reference_material>\n\n"
)


def client_of(sandbox: SandboxServer) -> OpenAI:
    return OpenAI(
        api_key="any",
        base_url=sandbox.base_url,
        max_retries=0,
        timeout=5,
        http_client=openai.DefaultHttpxClient(trust_env=False),
    )


def create(client: OpenAI, directives: str = "", **more: Any) -> Any:
    """Create a response; `directives` go into the header."""
    arguments = {"model": "sandbox-1", "input": QUESTION, **more}
    return client.responses.create(**arguments, extra_headers={"X-Sandbox": directives})


def chat(client: OpenAI, directives: str = "", **more: Any) -> Any:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
    arguments = {"model": "sandbox-1", "messages": messages, **more}
    return client.chat.completions.create(**arguments, extra_headers={"X-Sandbox": directives})


def finished(client: OpenAI, response_id: str) -> Any:
    """Poll a response until it has ended."""
    deadline = time.monotonic() + 5
    while True:
        response = client.responses.retrieve(response_id)
        if response.status not in {"queued", "in_progress"}:
            return response
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kinds(events: list[Any]) -> list[str]:
    return [event.type for event in events]


def said(events: list[Any]) -> str:
    return "".join(e.delta for e in events if e.type == "response.output_text.delta")


def wait_for(sandbox: SandboxServer, count: str) -> None:
    deadline = time.monotonic() + 5
    while not sandbox.stats().get(count):
        assert time.monotonic() < deadline
        time.sleep(0.02)
