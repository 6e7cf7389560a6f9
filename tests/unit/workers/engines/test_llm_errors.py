"""Which of our errors each failure of a provider is."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import get_args

import pytest
from openai.types.responses import ResponseError

from pipelines.core.errors import (
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
    TurnpikeError,
)
from workers.engines.llm.errors import from_event, from_status, retry_after

SECRETS = {"message": "Bad key sk-secret in: my private prompt", "param": "my private prompt"}


@pytest.mark.parametrize(
    ("status", "code", "kind", "detail"),
    [
        (429, "rate_limit_exceeded", RateLimited, "The provider acme asks for a pause."),
        (
            429,
            "insufficient_quota",
            ProviderRefused,
            "The provider acme says that the account has no credit left: check its billing.",
        ),
        (
            402,
            "",
            ProviderRefused,
            "The provider acme says that the account has no credit left: check its billing.",
        ),
        (
            401,
            "invalid_api_key",
            ProviderRefused,
            "The provider acme refuses its API key (HTTP 401).",
        ),
        (403, "", ProviderRefused, "The provider acme refuses its API key (HTTP 403)."),
        (
            404,
            "model_not_found",
            ProviderRefused,
            "The provider acme does not know the model that was asked for: choose another.",
        ),
        (
            404,
            "",
            ProviderRefused,
            "The provider acme has nothing there: check its base URL and its model.",
        ),
        (
            400,
            "context_length_exceeded",
            ProviderRefused,
            "The provider acme finds the conversation too long for its model: shorten it.",
        ),
        (400, "", ProviderRefused, "The provider acme refuses the request (HTTP 400)."),
        (
            422,
            "bad_field",
            ProviderRefused,
            "The provider acme refuses the request (HTTP 422, bad_field).",
        ),
        *(
            (
                status,
                "",
                ProviderUnavailable,
                f"The provider acme has a problem of its own (HTTP {status}).",
            )
            for status in (408, 409, 425, 500, 502, 503, 529)
        ),
    ],
)
def test_each_status_has_its_error_and_its_sentence(
    status: int, code: str, kind: type[TurnpikeError], detail: str
) -> None:
    error = from_status("acme", status, {**SECRETS, "code": code}, {})

    assert type(error) is kind
    assert error.detail == detail


@pytest.mark.parametrize(
    "body",
    [
        {"code": "insufficient_quota"},
        {"code": None, "type": "insufficient_quota"},
        {"error": {"code": "insufficient_quota"}},
        [{"error": {"code": "insufficient_quota"}}],
    ],
)
def test_the_code_is_found_in_every_shape_of_body(body: object) -> None:
    assert type(from_status("acme", 429, body, {})) is ProviderRefused


@pytest.mark.parametrize("body", [None, "<html>", [], ["x"], {"code": "my private prompt"}])
def test_a_body_of_no_known_shape_is_not_quoted(body: object) -> None:
    error = from_status("acme", 400, body, {})

    assert error.detail == "The provider acme refuses the request (HTTP 400)."


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_as_a_date_counts_from_now() -> None:
    in_a_minute = formatdate(time.time() + 60, usegmt=True)

    assert retry_after({"retry-after": in_a_minute}) == pytest.approx(60, abs=2)


@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_the_provider_asks_for_is_kept(status: int) -> None:
    error = from_status("acme", status, None, {"retry-after": "9"})

    assert isinstance(error, RateLimited | ProviderUnavailable)
    assert error.retry_after == 9.0


def test_every_code_that_openai_can_put_into_a_failed_response_is_sorted() -> None:
    codes = get_args(ResponseError.model_fields["code"].annotation)

    kinds = {code: type(from_event("acme", {**SECRETS, "code": code})) for code in codes}

    assert kinds.pop("server_error") is ProviderUnavailable
    assert kinds.pop("vector_store_timeout") is ProviderUnavailable
    assert kinds.pop("rate_limit_exceeded") is RateLimited
    assert set(kinds.values()) == {ProviderRefused}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 503}, ProviderUnavailable),
        ({"code": "429"}, RateLimited),
        ({"code": 401}, ProviderRefused),
        ({"code": "insufficient_quota"}, ProviderRefused),
        ({"code": "something_new"}, ProviderUnavailable),
        ({"type": "invalid_request_error"}, ProviderRefused),
        ("overloaded", ProviderUnavailable),
    ],
)
def test_errors_inside_a_stream_are_sorted_likewise(
    error: object, kind: type[TurnpikeError]
) -> None:
    assert type(from_event("acme", error)) is kind
