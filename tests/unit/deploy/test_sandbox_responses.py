"""The sandbox's responses: plain, streamed, in the background, resumed, cancelled and deleted."""

from __future__ import annotations

import openai
import pytest
from openai import OpenAI

from tests.sandbox_server import SandboxServer
from tests.unit.deploy.sandbox_client import (
    ANSWER,
    CLOSING,
    DELTAS,
    OPENING,
    PASSAGES,
    PIECES,
    QUESTION,
    create,
    finished,
    kinds,
    said,
    wait_for,
)

pytestmark = pytest.mark.enable_socket


def test_a_plain_response_is_whole(client: OpenAI, sandbox: SandboxServer) -> None:
    response = create(client, instructions="Be kind.", metadata={"job_id": "job-1"})

    assert response.status == "completed"
    assert response.output_text == ANSWER
    assert response.instructions == "Be kind."
    assert response.usage.input_tokens == 6
    assert response.usage.output_tokens == len(PIECES)
    assert response.usage.total_tokens == 6 + len(PIECES)
    assert client.responses.retrieve(response.id) == response
    assert sandbox.stats() == {
        "requests": 2,
        "POST /v1/responses": 1,
        "GET /v1/responses/{id}": 1,
        "started": 1,
        "completed": 1,
        "peak": 1,
        "kept": 1,
        "jobs": {"job-1": 1},
    }


def test_a_stream_has_all_of_openais_events_in_their_order(client: OpenAI) -> None:
    events = list(create(client, stream=True))

    assert kinds(events) == [*OPENING, *DELTAS, *CLOSING, "response.completed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [e.delta for e in events if e.type == "response.output_text.delta"] == PIECES
    assert events[0].response.status == "in_progress"
    assert events[0].response.output == []
    assert events[-4].text == ANSWER
    assert events[-1].response.output_text == ANSWER
    assert events[-1].response.output[0].id == events[2].item.id == events[4].item_id


def test_the_answer_is_the_same_every_time(client: OpenAI) -> None:
    assert create(client).output_text == create(client).output_text


def test_a_background_response_is_queued_and_then_completes(client: OpenAI) -> None:
    response = create(client, background=True)

    assert response.status == "queued"
    assert response.output == []
    done = finished(client, response.id)
    assert (done.status, done.output_text, done.background) == ("completed", ANSWER, True)


def test_a_background_stream_says_that_it_was_queued(client: OpenAI) -> None:
    events = list(create(client, background=True, stream=True))

    assert kinds(events)[:3] == ["response.created", "response.queued", "response.in_progress"]
    assert events[0].response.status == "queued"
    assert said(events) == ANSWER


@pytest.mark.parametrize("after", [None, 0, 7, 10_000])
def test_a_finished_response_replays_its_events_after_a_number(
    client: OpenAI, after: int | None
) -> None:
    events = list(create(client, background=True, stream=True))

    replayed = list(
        client.responses.retrieve(
            events[0].response.id,
            stream=True,
            starting_after=openai.omit if after is None else after,
        )
    )

    assert replayed == (events if after is None else events[after + 1 :])


def test_a_cut_background_stream_goes_on_and_is_followed_live(
    client: OpenAI, sandbox: SandboxServer
) -> None:
    stream = create(client, "delta=0.02; disconnect_after=3", background=True, stream=True)
    seen = [next(stream) for _ in range(5 + 3)]
    with pytest.raises(openai.APIConnectionError):
        next(stream)

    rest = list(
        client.responses.retrieve(
            seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number
        )
    )

    assert said(seen) == "This is the"
    assert said(seen) + said(rest) == ANSWER
    assert rest[-1].type == "response.completed"
    stats = sandbox.stats()
    assert (stats["started"], stats["resumed"], stats["completed"]) == (1, 1, 1)


def test_a_foreground_stream_ends_with_its_client(client: OpenAI, sandbox: SandboxServer) -> None:
    stream = create(client, "delta=0.02", stream=True)
    response_id = next(stream).response.id
    stream.close()

    wait_for(sandbox, "disconnected")
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response_id)
    assert "completed" not in sandbox.stats()


def test_a_plain_request_ends_with_its_client(client: OpenAI, sandbox: SandboxServer) -> None:
    with pytest.raises(openai.APITimeoutError):
        create(client.with_options(timeout=0.5), "latency=60")

    wait_for(sandbox, "disconnected")
    assert "completed" not in sandbox.stats()


def test_a_cancelled_response_stops_and_its_stream_just_ends(
    client: OpenAI, sandbox: SandboxServer
) -> None:
    stream = create(client, "delta=0.02", background=True, stream=True)
    events = [next(stream) for _ in range(7)]

    cancelled = client.responses.cancel(events[0].response.id)
    rest = list(stream)

    assert cancelled.status == "cancelled"
    assert "response.completed" not in kinds(rest)
    assert client.responses.cancel(cancelled.id).status == "cancelled"
    assert sandbox.stats()["cancelled"] == 1


def test_a_finished_response_cannot_be_cancelled_any_more(client: OpenAI) -> None:
    response = finished(client, create(client, background=True).id)

    assert client.responses.cancel(response.id).status == "completed"


def test_only_background_responses_are_cancelled_or_streamed_again(client: OpenAI) -> None:
    response = create(client)

    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(response.id)
    with pytest.raises(openai.BadRequestError):
        client.responses.retrieve(response.id, stream=True)


def test_a_deleted_response_is_gone(client: OpenAI) -> None:
    response = create(client)

    client.responses.delete(response.id)

    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(response.id)


def test_input_may_be_messages_of_parts(client: OpenAI) -> None:
    parts = [{"type": "input_text", "text": PASSAGES + QUESTION}]
    messages = [
        {"role": "user", "content": "Hello"},
        {"type": "message", "role": "user", "content": parts},
        {"role": "assistant", "content": "A moment."},
    ]

    response = create(client, input=messages)

    assert response.output_text == (
        "This is the sandbox model; it quotes and does not think. The knowledge base says:\n\n"
        "- \u201cA lease is a claim that runs out.\u201d [3]\n"
        "- \u201cEvery lease has an owner!\u201d [7]"
    )
