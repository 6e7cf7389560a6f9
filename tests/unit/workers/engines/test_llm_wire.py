"""The engine against servers that answer byte for byte what a test says."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event as ThreadEvent
from threading import Thread
from typing import Any, Literal

import pytest

from pipelines.core.errors import JobCancelled, ProviderRefused, ProviderUnavailable, TurnpikeError
from workers.engines.llm import (
    Delta,
    Event,
    Finished,
    Passage,
    Prompt,
    Provider,
    Started,
    Turn,
    Usage,
    language_model,
)

pytestmark = pytest.mark.enable_socket

PROMPT = Prompt(
    "Be kind.",
    (Turn("user", "Hi"), Turn("assistant", "Hello"), Turn("user", "What is a lease?")),
    (Passage(1, "Notes", "It runs out."),),
    metadata={"job_id": "job-1"},
    max_output_tokens=9,
)
Protocol = Literal["responses", "chat_completions"]
Write = Callable[[bytes], None]


@dataclass
class Wire:
    """A server that gives each request the same answer, and keeps what it was sent."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def wire(
    answer: Callable[[Write], None], *, status: int = 200, location: str = ""
) -> Iterator[Wire]:
    """Serve `answer`, which writes the body piece by piece; the connection ends after it."""
    seen = Wire()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            seen.bodies.append(json.loads(self.rfile.read(size)))
            seen.headers.append({key.lower(): value for key, value in self.headers.items()})
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/event-stream")
            if location:
                self.send_header("Location", location)
            self.end_headers()
            answer(self.connection.sendall)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """The client has gone: nothing to say."""

    with Server(("127.0.0.1", 0), Handler) as server:
        seen.url = f"http://127.0.0.1:{server.server_port}/v1"
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield seen
        server.shutdown()


def said(*lines: object) -> Callable[[Write], None]:
    """Make an answer of one event for each JSON value; a string stands for itself."""
    events = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    body = "".join(f"data: {event}\n\n" for event in events).encode()
    return lambda write: write(body)


def stream(server: Wire, protocol: Protocol, **limits: Any) -> Iterator[Event]:
    provider = Provider("acme", protocol, server.url, "sk-secret", "m-1", **limits)
    return language_model(provider).stream(PROMPT)


def failure(server: Wire, protocol: Protocol, **limits: Any) -> TurnpikeError:
    with pytest.raises(TurnpikeError) as raised:
        list(stream(server, protocol, **limits))
    return raised.value


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}], **more}


def test_a_responses_request_asks_for_a_stored_background_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-someone")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-someone")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    with wire(
        said({"type": "response.completed", "response": {"id": "r", "model": "m"}})
    ) as server:
        list(stream(server, "responses"))

    (body,), (headers,) = server.bodies, server.headers
    assert body.pop("instructions").startswith("Be kind.\n\n")
    question = body["input"].pop()
    assert question["content"].startswith("<reference_material>")
    assert question["content"].endswith("\n\nWhat is a lease?")
    assert body == {
        "model": "m-1",
        "input": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
        "max_output_tokens": 9,
        "metadata": {"job_id": "job-1"},
        "background": True,
        "stream": True,
        "store": True,
    }
    assert headers["authorization"] == "Bearer sk-secret"
    assert headers["x-client-request-id"] == "job-1"
    assert not {"openai-organization", "openai-project"} & headers.keys()


def test_a_chat_request_asks_for_the_usage_and_sends_no_metadata() -> None:
    with wire(said(chunk("Hi", "stop"), "[DONE]")) as server:
        list(stream(server, "chat_completions"))

    (body,), (headers,) = server.bodies, server.headers
    system, *_, question = body.pop("messages")
    assert system["role"] == "system"
    assert system["content"].startswith("Be kind.\n\n")
    assert question["role"] == "user"
    assert body == {
        "model": "m-1",
        "max_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert headers["x-client-request-id"] == "job-1"


def test_a_chat_is_read_in_the_dialects_of_its_servers() -> None:
    count = {"prompt_tokens": 3, "completion_tokens": 1}
    answer = said(
        chunk("Hel", usage=count, model="m-2"),
        "",
        {"choices": []},
        {"choices": [{"delta": {"refusal": "lo"}}], "usage": None},
        {"choices": [{"delta": None, "finish_reason": "tool_calls"}]},
        chunk(usage={**count, "completion_tokens": 2}),
    )

    with wire(answer) as server:
        first, *rest = stream(server, "chat_completions")

    assert isinstance(first, Started)
    assert rest == [Delta("Hel", None), Delta("lo", None), Finished(Usage(3, 2), "stop", "m-2")]


def test_a_chat_is_whole_when_done_is_said_although_no_reason_was() -> None:
    with wire(said(chunk("Hi"), "[DONE]", "never read")) as server:
        events = list(stream(server, "chat_completions"))

    assert isinstance(events[-1], Finished)
    assert events[-1].finish_reason == "stop"
    assert events[-1].usage.estimated


@pytest.mark.parametrize("protocol", ["responses", "chat_completions"])
@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (said(), "The provider acme cut the line before the answer ended."),
        (said("<html>"), "The provider acme sent an event that cannot be read."),
        (said("[1]"), "The provider acme sent an event that cannot be read."),
        (
            lambda write: write(b"<html>Sign in</html>"),
            "The provider acme cut the line before the answer ended.",
        ),
    ],
)
def test_an_answer_that_is_none_is_transient(
    protocol: Protocol, answer: Callable[[Write], None], detail: str
) -> None:
    with wire(answer) as server:
        error = failure(server, protocol)

    assert type(error) is ProviderUnavailable
    assert error.detail == detail


@pytest.mark.parametrize("protocol", ["responses", "chat_completions"])
def test_an_event_of_immoderate_size_is_not_swallowed(protocol: Protocol) -> None:
    def endless(write: Write) -> None:
        write(b"data: ")
        for _ in range(40):
            write(b"x" * 1_000_000)

    with wire(endless) as server:
        error = failure(server, protocol)

    assert type(error) is ProviderUnavailable
    assert error.detail == "The provider acme sent an event of immoderate size."


@pytest.mark.parametrize("protocol", ["responses", "chat_completions"])
def test_signs_of_life_keep_the_line_open_but_not_for_ever(protocol: Protocol) -> None:
    def alive(write: Write) -> None:
        for _ in range(100):
            write(b": still thinking\n\n")
            time.sleep(0.05)

    with wire(alive) as server:
        error = failure(server, protocol, read_timeout=0.6, total_timeout=1.2)

    assert error.detail == "The provider acme did not finish within 1.2 seconds."


def test_a_reset_connection_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.close()

        Thread(target=reset, daemon=True).start()
        port = listener.getsockname()[1]
        error = failure(Wire(f"http://127.0.0.1:{port}/v1"), "chat_completions")

    assert type(error) is ProviderUnavailable


def test_an_error_body_in_a_list_is_understood() -> None:
    body = json.dumps([{"error": {"code": "context_length_exceeded"}}]).encode()

    with wire(lambda write: write(body), status=400) as server:
        error = failure(server, "chat_completions")

    assert type(error) is ProviderRefused
    assert error.detail == (
        "The provider acme finds the conversation too long for its model: shorten it."
    )


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "invalid_prompt", "message": "no"},
        {"type": "error", "error": {"type": "invalid_request_error"}},
        {"type": "response.failed", "response": {"error": {"code": "invalid_prompt"}}},
    ],
)
def test_an_error_event_is_understood_in_each_of_its_shapes(event: dict[str, Any]) -> None:
    with wire(said(event)) as server:
        error = failure(server, "responses")

    assert type(error) is ProviderRefused


def test_an_event_of_a_cancelled_response_ends_the_job() -> None:
    event = {"type": "response.cancelled", "response": {"id": "r", "status": "cancelled"}}

    with wire(said(event)) as server:
        error = failure(server, "responses")

    assert type(error) is JobCancelled


def test_a_refusal_is_text_and_reasoning_is_not() -> None:
    answer = said(
        {"type": "response.created", "response": {"id": "r", "model": "m-2"}},
        {"type": "response.reasoning_text.delta", "delta": "hm", "sequence_number": 1},
        {"type": "response.refusal.delta", "delta": "No.", "sequence_number": 2},
        {"type": "response.completed", "response": {"id": "r", "model": "m-2", "usage": None}},
    )

    with wire(answer) as server:
        first, text, last = stream(server, "responses")

    assert first == Started("r", "m-2")
    assert text == Delta("No.", 2)
    assert isinstance(last, Finished)
    assert last.usage.estimated
    assert last.usage.output_tokens == 1


def test_the_end_is_told_before_the_connection_ends_and_a_lingering_one_does_no_harm() -> None:
    end = json.dumps({"type": "response.completed", "response": {"id": "r", "model": "m"}})
    released = ThreadEvent()

    def lingering(write: Write) -> None:
        write(f"data: {end}\n\n".encode())
        released.wait(20)

    with wire(lingering) as server:
        begin = time.monotonic()
        events = stream(server, "responses", read_timeout=3)
        kinds = [type(next(events)), type(next(events))]
        told = time.monotonic() - begin
        rest = list(events)
        given_up = time.monotonic() - begin
        released.set()

    assert kinds == [Started, Finished]
    assert told < 3 <= given_up
    assert rest == []


@pytest.mark.parametrize("protocol", ["responses", "chat_completions"])
def test_a_prompt_goes_where_no_redirect_says(protocol: Protocol) -> None:
    with wire(said()) as elsewhere, wire(said(), status=307, location=elsewhere.url) as server:
        with pytest.raises(ProviderRefused, match="HTTP 307"):
            list(stream(server, protocol))

        assert (len(server.bodies), elsewhere.bodies) == (1, [])
