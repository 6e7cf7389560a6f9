"""What the engine's tests ask the sandbox, and how they read the events that come back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import pytest

from pipelines.core.errors import TurnpikeError
from tests.sandbox_server import SandboxServer
from workers.engines.llm import (
    Delta,
    Event,
    LanguageModel,
    Prompt,
    Provider,
    Turn,
    language_model,
)

NOTHING = (
    "This is the sandbox model; it quotes and does not think. "
    "It found nothing in the knowledge base about \u201cWhat is a lease\u201d."
)
PIECES = len(NOTHING.split())
both = pytest.mark.parametrize("protocol", ["responses", "chat_completions"])
Protocol = Literal["responses", "chat_completions"]


def model(server: SandboxServer, protocol: Protocol = "responses", **limits: Any) -> LanguageModel:
    return language_model(
        Provider("sandbox", protocol, server.base_url, "sk-secret", "sandbox-1", **limits)
    )


def ask(directives: str = "", **more: Any) -> Prompt:
    content = f"What is a lease? [[sandbox {directives}]]" if directives else "What is a lease?"
    return Prompt("", (Turn("user", content),), **more)


def text(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def until_broken(stream: Iterator[Event]) -> tuple[list[Event], TurnpikeError]:
    """Give what came before the error, and the error."""
    events: list[Event] = []
    try:
        for event in stream:
            events.append(event)  # noqa: PERF402 - what came before the error counts
    except TurnpikeError as error:
        return events, error
    pytest.fail("the stream did not break")
