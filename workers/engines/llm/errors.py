"""Which of our errors a provider's failure is: by status, by error code, by broken line."""

from __future__ import annotations

import math
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai

from pipelines.core.errors import (
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
    TurnpikeError,
)

_NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_RATE_LIMITED = {"rate_limit_exceeded", "rate_limit_error", "too_many_requests"}
# What a retry cannot mend although it is reported in mid-stream, beside all that is about images.
_PERMANENT = {
    "bio_policy",
    "content_filter",
    "content_policy_violation",
    "context_length_exceeded",
    "data_residency_mismatch",
    "invalid_base64_image",
    "invalid_prompt",
    "invalid_request_error",
    "misalignment_policy_violation",
    "model_not_found",
}
_SENTENCES = {
    "model_not_found": "does not know the model that was asked for: choose another",
    "context_length_exceeded": "finds the conversation too long for its model: shorten it",
    "content_policy_violation": "refuses the prompt under its content policy",
    "content_filter": "refuses the prompt under its content policy",
}


@contextmanager
def provider_errors(provider: str) -> Iterator[None]:
    """Turn what the openai package raises inside the block into our own errors.

    The message never repeats what the provider wrote, which may quote the key or the prompt.

    Args:
        provider: The name that the messages mention.
    """
    try:
        yield
    except openai.APIStatusError as error:
        headers = error.response.headers
        raise from_status(provider, error.status_code, error.body, headers) from None
    except (openai.APITimeoutError, httpx2.TimeoutException):
        raise ProviderUnavailable(f"The provider {provider} did not answer in time.") from None
    except (openai.APIConnectionError, httpx2.RequestError, ssl.SSLError, OSError):
        raise ProviderUnavailable(
            f"The provider {provider} could not be reached or cut the line."
        ) from None


def from_status(
    provider: str, status: int, body: object, headers: Mapping[str, str]
) -> TurnpikeError:
    """Map an HTTP error answer.

    Args:
        provider: The name that the message mentions.
        status: The HTTP status, 300 or above.
        body: The decoded body, in any shape; only its error code is used.
        headers: The answer's headers; read for `Retry-After`.
    """
    code = _code(body)
    if status == 402 or code in _NO_CREDIT:
        return _no_credit(provider)
    if status == 429:
        return RateLimited(
            f"The provider {provider} asks for a pause.", retry_after=retry_after(headers)
        )
    if status in {408, 409, 425} or status >= 500:
        return ProviderUnavailable(
            f"The provider {provider} has a problem of its own (HTTP {status}).",
            retry_after=retry_after(headers),
        )
    if status in {401, 403}:
        return ProviderRefused(f"The provider {provider} refuses its API key (HTTP {status}).")
    return _refused(provider, status, code)


def from_event(provider: str, error: object) -> TurnpikeError:
    """Map an error that arrives inside a stream, whose HTTP status was 200.

    Some providers put an HTTP status where OpenAI has a word. An unknown word is taken for a
    failure that may pass, because a job's attempts are limited anyhow.
    """
    code = _code(error)
    if code.isdigit() and 400 <= int(code) < 600:
        return from_status(provider, int(code), error, {})
    if code in _NO_CREDIT:
        return _no_credit(provider)
    if code in _RATE_LIMITED:
        return RateLimited(f"The provider {provider} asks for a pause.")
    if code in _PERMANENT or "image" in code:
        return _refused(provider, 200, code)
    return ProviderUnavailable(f"The provider {provider} failed while it answered.")


def cut_off(provider: str) -> ProviderUnavailable:
    """Say that a stream ended before its answer did."""
    return ProviderUnavailable(f"The provider {provider} cut the line before the answer ended.")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read `retry-after-ms` or `Retry-After` (seconds or a date) as seconds from now."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    return seconds if seconds is not None else _seconds_until(value)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _seconds_until(date: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def _code(body: object) -> str:
    """Find the error code in any of the shapes that providers use; empty when there is none."""
    if isinstance(body, list) and body:  # Gemini wraps its error object in a list
        return _code(body[0])
    if not isinstance(body, Mapping):
        return ""
    if isinstance(body.get("error"), Mapping):
        return _code(body["error"])
    value: Any = body.get("code") or body.get("type") or ""
    code = str(value)
    # A code is shown to people, so it must be a code and not a text that quotes a secret.
    return code if re.fullmatch(r"[A-Za-z0-9_.]{1,48}", code) else ""


def _no_credit(provider: str) -> ProviderRefused:
    return ProviderRefused(
        f"The provider {provider} says that the account has no credit left: check its billing."
    )


def _refused(provider: str, status: int, code: str) -> ProviderRefused:
    if code in _SENTENCES:
        return ProviderRefused(f"The provider {provider} {_SENTENCES[code]}.")
    if status == 404:
        return ProviderRefused(
            f"The provider {provider} has nothing there: check its base URL and its model."
        )
    reason = ", ".join(part for part in (f"HTTP {status}" if status >= 300 else "", code) if part)
    return ProviderRefused(f"The provider {provider} refuses the request ({reason}).")
