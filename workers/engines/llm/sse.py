"""Server-sent events, read from raw bytes as the WHATWG standard describes them."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator

# Far above any event of a model (the largest repeats a whole answer); a guard for our memory.
MAX_EVENT_BYTES = 16 * 1024 * 1024


class EventTooLarge(ValueError):
    """One event is larger than `MAX_EVENT_BYTES`."""


def payloads(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give each event's data, its lines joined by a newline.

    Comments and the fields event, id and retry are passed over, since a model's events say in
    their data what they are. An event that the end of the stream cuts short is dropped.

    Raises:
        EventTooLarge: An event outgrows `MAX_EVENT_BYTES`.
    """
    data: list[bytes] = []
    size = 0
    for number, raw in enumerate(_lines(chunks)):
        line = raw if number else raw.removeprefix(BOM_UTF8)
        if line.startswith(b"data"):
            name, _, value = line.partition(b":")
            if name == b"data":
                data.append(value.removeprefix(b" "))
                size += len(value)
                if size > MAX_EVENT_BYTES:
                    raise EventTooLarge
        elif not line and data:
            yield b"\n".join(data)
            data, size = [], 0


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Split at LF, CRLF and CR, and at nothing else: JSON may hold U+2028 and its like raw."""
    held: list[bytes] = []  # pieces of a line whose end has not come
    size = 0
    after_cr = False
    for chunk in chunks:
        # A CR has ended its line already when the LF of the same pair comes in the next chunk.
        rest = chunk[1:] if after_cr and chunk.startswith(b"\n") else chunk
        after_cr = chunk.endswith(b"\r") if chunk else after_cr
        for piece in rest.splitlines(keepends=True):
            held.append(piece)
            size += len(piece)
            if piece.endswith((b"\n", b"\r")):
                yield b"".join(held).rstrip(b"\r\n")
                held, size = [], 0
            elif size > MAX_EVENT_BYTES:
                raise EventTooLarge
