"""Reads JSON bodies strictly, so that nothing odd travels further than the door."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import IO, Any, Never

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from pipelines.core.errors import InvalidInput, MessageTooLarge, TurnpikeError


class NotUtf8(InvalidInput):
    """The body is not UTF-8."""

    code = "not_utf8"
    status = 400


class StrictJSONParser(BaseParser):
    """Accepts one JSON object in UTF-8: no doubled names, no NaN, no NUL, no half surrogates."""

    media_type = "application/json"
    # Names the setting that says how many bytes a body may have.
    limit = "DATA_UPLOAD_MAX_MEMORY_SIZE"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> dict[str, Any]:
        """Read a body.

        Raises:
            MessageTooLarge: It is longer than the limit.
            NotUtf8: Its bytes are not UTF-8.
            ParseError: It is not JSON, or JSON in which readers would differ.
            InvalidInput: It is no object, nested deeper than JSON_MAX_DEPTH, or a text in it
                holds what a database cannot keep.
        """
        body = load(_text(stream, getattr(settings, self.limit)))
        if not isinstance(body, dict):
            raise InvalidInput("The body must be a JSON object.", code="not_an_object")
        for path, text in _texts(body):
            _check_text(path, text)
        return body


def _text(stream: IO[bytes], limit: int) -> str:
    content = stream.read(limit + 1)
    if len(content) > limit:
        raise MessageTooLarge(f"A body has at most {limit} bytes.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise NotUtf8(f"The body is not UTF-8: byte {error.start} does not fit.") from error


def load(text: str) -> Any:
    """Read strict JSON; raises ParseError, or InvalidInput when the nesting exhausts the reader."""
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite
        )
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON value")


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise ValueError("a number is out of range")
    return value


def _texts(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every text of a body, names included, with the path to it."""
    stack: list[tuple[str, Any, int]] = [("", body, 1)]
    while stack:
        path, value, depth = stack.pop()
        if isinstance(value, str):
            yield path, value
            continue
        if not isinstance(value, dict | list):
            continue
        if depth > settings.JSON_MAX_DEPTH:
            raise _too_deep()
        named = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in named:
            if isinstance(name, str):
                yield path, name
            stack.append((f"{path}.{name}" if path else str(name), inner, depth + 1))


def _check_text(path: str, text: str) -> None:
    if "\0" in text:
        raise InvalidInput("A text cannot hold a NUL.", code="nul_byte", field=_printable(path))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            "A text must be valid Unicode; this one holds half of a surrogate pair.",
            code="not_utf8",
            field=_printable(path),
        ) from error


def _printable(path: str) -> str:
    return path.encode(errors="replace").decode()


def _too_deep() -> TurnpikeError:
    return InvalidInput(
        f"The body is nested more than {settings.JSON_MAX_DEPTH} levels deep.", code="too_deep"
    )
