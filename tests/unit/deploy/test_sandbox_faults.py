"""The faults that the sandbox shows on order, and the directives that order them."""

from __future__ import annotations

import time
from typing import Any

import openai
import pytest
from openai import OpenAI

from deploy.local.sandbox.directives import BadDirective, Directives, parse, split
from tests.unit.deploy.sandbox_client import (
    ANSWER,
    CLOSING,
    DELTAS,
    OPENING,
    PIECES,
    QUESTION,
    chat,
    create,
    kinds,
)

pytestmark = pytest.mark.enable_socket


@pytest.mark.parametrize("make", [create, chat])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("400", openai.BadRequestError, "invalid_value"),
        ("401", openai.AuthenticationError, "invalid_api_key"),
        ("403", openai.PermissionDeniedError, None),
        ("404", openai.NotFoundError, None),
        ("408", openai.APIStatusError, None),
        ("409", openai.ConflictError, None),
        ("429", openai.RateLimitError, "rate_limit_exceeded"),
        ("500", openai.InternalServerError, "server_error"),
        ("503", openai.InternalServerError, "service_unavailable"),
        ("insufficient_quota", openai.RateLimitError, "insufficient_quota"),
    ],
)
def test_an_ordered_error_has_openais_shape(
    client: OpenAI, make: Any, stream: bool, name: str, kind: type[openai.APIError], code: str
) -> None:
    with pytest.raises(kind) as raised:
        make(client, f"error={name}; retry_after=3", stream=stream)

    error = raised.value
    assert isinstance(error, openai.APIStatusError)
    assert error.code == code
    assert error.status_code == (429 if name == "insufficient_quota" else int(name))
    assert error.response.headers["retry-after"] == "3"
    assert set(error.response.json()["error"]) == {"message", "type", "param", "code"}


def test_a_fault_may_pass_after_so_many_requests_of_the_same_text(client: OpenAI) -> None:
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            create(client, "error=500; times=2")
    assert create(client, "error=500; times=2").output_text == ANSWER
    with pytest.raises(openai.InternalServerError):
        create(client, "error=500; times=2", input="Another question")


def test_directives_in_the_message_are_obeyed_and_not_answered(client: OpenAI) -> None:
    asked = f"{QUESTION} [[sandbox incomplete_after=4]]"
    response = create(client, input=asked)

    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output_text == "This is the sandbox"
    assert create(client, input=f"{QUESTION} [[sandbox delta=0]]").output_text == ANSWER


def test_a_latency_comes_before_the_text_and_a_delta_between_its_pieces(client: OpenAI) -> None:
    begin = time.monotonic()
    create(client, "latency=0.3")
    assert 0.3 <= time.monotonic() - begin < 3
    begin = time.monotonic()
    list(create(client, "delta=0.02", stream=True))
    assert 0.02 * len(PIECES) <= time.monotonic() - begin < 0.02 * len(PIECES) + 3


@pytest.mark.parametrize("make", [create, chat])
@pytest.mark.parametrize("directive", ["disconnect_after=2", "hang_after=2"])
def test_lines_break_in_streams_and_in_plain_answers(
    client: OpenAI, make: Any, directive: str
) -> None:
    hasty = client.with_options(timeout=0.3)
    error: type[Exception] = openai.APIConnectionError
    if directive.startswith("hang"):
        error = openai.APITimeoutError
    with pytest.raises(error):
        list(make(hasty, directive, stream=True))
    with pytest.raises(error):
        make(hasty, directive)


@pytest.mark.parametrize(
    ("directive", "reason"),
    [("incomplete_after=2", "max_output_tokens"), ("filter_after=2", "content_filter")],
)
def test_a_response_may_end_early(client: OpenAI, directive: str, reason: str) -> None:
    events = list(create(client, directive, stream=True))

    assert kinds(events) == [*OPENING, *DELTAS[:2], *CLOSING, "response.incomplete"]
    last = events[-1].response
    assert (last.status, last.incomplete_details.reason) == ("incomplete", reason)
    assert (last.output_text, last.output[0].status) == ("This is", "incomplete")


def test_a_response_may_fail(client: OpenAI) -> None:
    events = list(create(client, "fail_after=2; fail_code=rate_limit_exceeded", stream=True))

    assert kinds(events) == [*OPENING, *DELTAS[:2], "response.failed"]
    assert events[-1].response.error.code == "rate_limit_exceeded"
    with pytest.raises(openai.APIError):
        list(chat(client, "fail_after=2", stream=True))
    with pytest.raises(openai.InternalServerError):
        chat(client, "fail_after=2")


def test_a_limit_that_the_answer_does_not_reach_ends_nothing(client: OpenAI) -> None:
    assert create(client, max_output_tokens=len(PIECES)).status == "completed"
    assert create(client, max_output_tokens=len(PIECES) - 1).status == "incomplete"


def test_a_stuck_response_stays_queued_until_it_is_cancelled(client: OpenAI) -> None:
    response = create(client, "stuck=1", background=True)

    time.sleep(0.1)
    assert client.responses.retrieve(response.id).status == "queued"
    assert client.responses.cancel(response.id).status == "cancelled"


@pytest.mark.parametrize(
    "text", ["latncy=1", "delta=fast", "error=418", "latency=-1", "delta=nan", "times", "stuck"]
)
def test_a_directive_that_makes_no_sense_is_refused(client: OpenAI, text: str) -> None:
    with pytest.raises(BadDirective):
        parse(text)
    with pytest.raises(openai.BadRequestError):
        create(client, text)


def test_directives_are_read_from_both_forms() -> None:
    assert parse("latency=0.5; error=429,retry_after=3 times=1", latency=9) == Directives(
        latency=0.5, error="429", retry_after=3, times=1
    )
    assert parse("", latency=9) == Directives(latency=9)
    assert split("Hi [[sandbox error=500]] there [[SANDBOX times=2]]") == (
        "Hi there",
        " error=500  times=2",
    )
