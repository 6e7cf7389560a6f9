"""Server-sent events from raw bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engines.llm import sse
from workers.engines.llm.sse import EventTooLarge, payloads

STREAM = (
    b'\xef\xbb\xbfdata: {"a":1}\n\n'
    b": a comment, as a sign of life\n\n"
    b'event: delta\r\nid: 7\r\nretry: 3\r\ndata:{"b":"x\xe2\x80\xa8y"}\r\n\r\n'
    b'data: {"c":\rdata: 3}\r\r'
    b"data\n\n"
    b"database: no field of ours\n\n"
    b"data: [DONE]\n\n"
)
PAYLOADS = [b'{"a":1}', b'{"b":"x\xe2\x80\xa8y"}', b'{"c":\n3}', b"", b"[DONE]"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_a_stream_reads_the_same_however_it_is_cut_into_chunks(size: int) -> None:
    chunks = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]

    assert list(payloads(chunks)) == PAYLOADS


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_cuts_give_the_same_events(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[start:end] for start, end in pairwise(edges)]

    assert list(payloads(chunks)) == PAYLOADS


def test_an_event_that_the_end_cuts_short_is_dropped() -> None:
    assert list(payloads([b"data: 1\n\ndata: 2\n"])) == [b"1"]
    assert list(payloads([b"data: 1\n\ndata: 2"])) == [b"1"]


def test_a_last_event_that_ends_in_a_carriage_return_is_whole() -> None:
    assert list(payloads([b"data: 1\r\r"])) == [b"1"]


def test_an_event_is_given_as_soon_as_its_end_has_come() -> None:
    chunks = iter([b"data: 1\r\r", b"data: 2\n\n"])

    assert next(payloads(chunks)) == b"1"
    assert next(chunks) == b"data: 2\n\n"


@pytest.mark.parametrize("chunk", [b"data: 12345678", b"data: 1234\ndata: 5678\n"])
def test_an_event_without_end_is_not_kept_in_memory(
    chunk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 7)

    with pytest.raises(EventTooLarge):
        list(payloads([chunk]))
