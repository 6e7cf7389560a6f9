"""Faults and paces that a request orders for itself, in a header or in its last user message.

    X-Sandbox: latency=0.5; error=429; retry_after=3; times=1
    What is a lease? [[sandbox latency=0.5 error=429 retry_after=3 times=1]]

| directive | effect |
|---|---|
| `latency=S` | S seconds pass before the first piece of text (or before the error) |
| `delta=S` | S seconds pass between two pieces of text |
| `error=NAME` | an HTTP error: 400 401 403 404 408 409 429 500 503 insufficient_quota |
| `retry_after=S` | the error's `Retry-After` |
| `disconnect_after=N` | the connection is cut after N pieces; a background response goes on |
| `hang_after=N` | the connection falls silent after N pieces; a background response goes on |
| `incomplete_after=N` | the answer ends after N pieces as by `max_output_tokens` |
| `filter_after=N` | the answer ends after N pieces as by the content filter |
| `fail_after=N` | the response fails after N pieces, with `fail_code` (`server_error`) |
| `stuck=1` | the response stays queued for ever |
| `no_usage=1` | chat completions leave out the token usage |
| `times=N` | the faults befall only the first N requests of the same text; the paces stay |
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace

ERRORS = frozenset(
    {"400", "401", "403", "404", "408", "409", "429", "500", "503", "insufficient_quota"}
)
_IN_MESSAGE = re.compile(r"\s*\[\[sandbox\b([^\]]*)\]\]", re.IGNORECASE)


class BadDirective(ValueError):
    """A directive is unknown or has a value that makes no sense."""


@dataclass(frozen=True)
class Directives:
    """What one request orders; the module's table says what each means."""

    latency: float = 0.0
    delta: float = 0.0
    error: str | None = None
    retry_after: float | None = None
    disconnect_after: int | None = None
    hang_after: int | None = None
    incomplete_after: int | None = None
    filter_after: int | None = None
    fail_after: int | None = None
    fail_code: str = "server_error"
    stuck: int = 0
    no_usage: int = 0
    times: int | None = None

    def without_faults(self) -> Directives:
        """Keep the paces only."""
        return Directives(latency=self.latency, delta=self.delta)


_CONVERTERS = {
    "latency": float,
    "delta": float,
    "retry_after": float,
    "error": str,
    "fail_code": str,
}
_NAMES = frozenset(field.name for field in fields(Directives))


def split(message: str) -> tuple[str, str]:
    """Part a user's message from the directives in it: (message, directives)."""
    found = _IN_MESSAGE.findall(message)
    return _IN_MESSAGE.sub("", message).strip(), " ".join(found)


def parse(text: str, *, latency: float = 0.0) -> Directives:
    """Read directives; a later one of the same name wins.

    Args:
        text: `name=value` pairs between blanks, commas or semicolons.
        latency: What holds where the text names no latency.

    Raises:
        BadDirective: A pair is malformed or unknown.
    """
    values: dict[str, float | int | str] = {}
    for pair in filter(None, re.split(r"[\s;,]+", text)):
        name, _, value = pair.partition("=")
        values[name] = _converted(name, value)
    return replace(Directives(latency=latency), **values)  # type: ignore[arg-type]


def _converted(name: str, value: str) -> float | int | str:
    if name not in _NAMES:
        raise BadDirective(f"unknown sandbox directive {name!r}")
    try:
        converted: float | int | str = _CONVERTERS.get(name, int)(value)
    except ValueError:
        raise BadDirective(f"bad value for the sandbox directive {name!r}") from None
    if name == "error" and converted not in ERRORS:
        raise BadDirective(f"unknown sandbox error {value!r}")
    if not isinstance(converted, str) and not 0 <= converted < 1e9:
        raise BadDirective(f"bad value for the sandbox directive {name!r}")
    return converted
