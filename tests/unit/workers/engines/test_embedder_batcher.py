"""The micro-batcher: what is merged, in which order, and whom an error reaches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.core.errors import Unavailable
from workers.engines.embedder.batcher import Batcher


class LengthEncoder:
    """An encoder whose vector is the text's length; it logs its batches and can be held."""

    dimensions = 2

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Log the batch, wait at the gate, and fail if it is poisoned."""
        self.batches.append(list(texts))
        self.entered.release()
        assert self.gate.wait(10)
        if "poison" in texts:
            raise RuntimeError("poisoned")
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)


@pytest.fixture
def encoder() -> LengthEncoder:
    return LengthEncoder()


@pytest.fixture
def make(encoder: LengthEncoder) -> Iterator[Callable[..., Batcher]]:
    made: list[Batcher] = []

    def _make(
        *, batch_size: int = 4, batch_characters: int = 10_000, max_wait: float = 0.0
    ) -> Batcher:
        made.append(
            Batcher(
                lambda: encoder,
                batch_size=batch_size,
                batch_characters=batch_characters,
                max_wait=max_wait,
            )
        )
        return made[-1]

    yield _make
    encoder.gate.set()
    for batcher in made:
        batcher.close()


def wait_for_queue(batcher: Batcher, calls: int) -> None:
    deadline = time.monotonic() + 10
    while len(list(batcher._waiting())) < calls:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_lone_call_gets_its_rows(make: Callable[..., Batcher]) -> None:
    rows = make().encode(["a", "bbb"])

    assert rows.tolist() == [[1, 1], [3, 1]]
    assert rows.dtype == np.float32


def test_no_texts_give_no_rows_of_the_right_width(
    make: Callable[..., Batcher], encoder: LengthEncoder
) -> None:
    assert make().encode([]).shape == (0, 2)
    assert encoder.batches == []


def test_concurrent_calls_share_a_batch(
    make: Callable[..., Batcher], encoder: LengthEncoder
) -> None:
    batcher = make(batch_size=8, max_wait=5.0)

    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(batcher.encode, [["x" * n] for n in range(1, 9)]))

    assert [row.tolist() for row in rows] == [[[n, 1]] for n in range(1, 9)]
    assert [len(batch) for batch in encoder.batches] == [8]  # full: nobody waited for 5 s


def test_lone_call_waits_no_longer_than_max_wait(make: Callable[..., Batcher]) -> None:
    batcher = make(batch_size=64, max_wait=0.05)
    batcher.encode(["warm"])

    began = time.monotonic()
    batcher.encode(["a"])
    took = time.monotonic() - began

    assert 0.05 <= took < 1.0


def test_query_overtakes_a_bulk_call_after_one_piece(
    make: Callable[..., Batcher], encoder: LengthEncoder
) -> None:
    batcher = make(batch_size=4)
    encoder.gate.clear()

    with ThreadPoolExecutor(2) as pool:
        bulk = pool.submit(batcher.encode, [f"bulk{n}" for n in range(20)])
        assert encoder.entered.acquire(timeout=10)
        query = pool.submit(batcher.encode, ["query"])
        wait_for_queue(batcher, 2)
        encoder.gate.set()
        assert query.result(10).tolist() == [[5, 1]]
        assert bulk.result(10).shape == (20, 2)

    assert [batch[0] for batch in encoder.batches] == [
        "bulk0",
        "query",
        "bulk4",
        "bulk8",
        "bulk12",
        "bulk16",
    ]
    assert encoder.batches[1] == ["query"]  # not topped up with bulk work


def test_bulk_call_is_not_starved_by_queries(
    make: Callable[..., Batcher], encoder: LengthEncoder
) -> None:
    batcher = make(batch_size=10)
    encoder.gate.clear()

    with ThreadPoolExecutor(14) as pool:
        first = pool.submit(batcher.encode, ["first"])
        assert encoder.entered.acquire(timeout=10)
        bulk = pool.submit(batcher.encode, ["b"] * 10)
        wait_for_queue(batcher, 1)
        queries = [pool.submit(batcher.encode, ["q"] * 8) for _ in range(12)]
        wait_for_queue(batcher, 13)
        encoder.gate.set()
        for future in [first, bulk, *queries]:
            future.result(10)

    kinds = [batch[0] for batch in encoder.batches]
    assert kinds.index("b") == 4  # after "first" and three more batches of queries


def test_bulk_calls_take_turns(make: Callable[..., Batcher], encoder: LengthEncoder) -> None:
    batcher = make(batch_size=10)
    encoder.gate.clear()

    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(batcher.encode, ["a"] * 50)
        assert encoder.entered.acquire(timeout=10)
        short = pool.submit(batcher.encode, ["b"] * 10)
        wait_for_queue(batcher, 2)
        encoder.gate.set()
        assert (long.result(10).shape, short.result(10).shape) == ((50, 2), (10, 2))

    # The second piece of the long call was next in line already when the short one came.
    assert [batch[0] for batch in encoder.batches] == ["a", "a", "b", "a", "a", "a"]


def test_long_texts_make_small_batches(
    make: Callable[..., Batcher], encoder: LengthEncoder
) -> None:
    batcher = make(batch_size=64, batch_characters=100)

    rows = batcher.encode(["x" * 40] * 5 + ["y" * 500] * 2 + ["z"] * 90)

    assert [len(batch) for batch in encoder.batches] == [2, 2, 1, 1, 1, 64, 26]
    assert rows[:, 0].tolist() == [40] * 5 + [500] * 2 + [1] * 90


def test_error_reaches_only_the_callers_of_its_batch(
    make: Callable[..., Batcher], encoder: LengthEncoder
) -> None:
    batcher = make(batch_size=2)
    encoder.gate.clear()

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batcher.encode, ["first"])
        assert encoder.entered.acquire(timeout=10)
        poisoned = pool.submit(batcher.encode, ["poison"])
        wait_for_queue(batcher, 1)
        beside = pool.submit(batcher.encode, ["beside"])
        wait_for_queue(batcher, 2)
        later = pool.submit(batcher.encode, ["later"])
        wait_for_queue(batcher, 3)
        encoder.gate.set()
        errors = [future.exception(10) for future in (poisoned, beside)]
        assert first.result(10).tolist() == [[5, 1]]
        assert later.result(10).tolist() == [[5, 1]]

    assert errors[0] is not errors[1]
    for error in errors:
        assert isinstance(error, Unavailable)
        assert error.error_code == "embedding_failed"
        assert isinstance(error.__cause__, RuntimeError)


def test_bulk_call_stops_at_its_first_failed_piece(
    make: Callable[..., Batcher], encoder: LengthEncoder
) -> None:
    batcher = make(batch_size=4)

    with pytest.raises(Unavailable, match="RuntimeError"):
        batcher.encode(["a"] * 4 + ["poison"] + ["b"] * 40)

    assert batcher.encode(["c"]).tolist() == [[1, 1]]
    assert [batch[0] for batch in encoder.batches] == ["a", "poison", "c"]


def test_failed_load_is_tried_again_at_the_next_call(encoder: LengthEncoder) -> None:
    outcomes: list[Exception | None] = [OSError("no such model"), None]

    def load() -> LengthEncoder:
        if error := outcomes.pop(0):
            raise error
        return encoder

    batcher = Batcher(load, batch_size=4, batch_characters=100, max_wait=0.0)
    with pytest.raises(Unavailable) as caught:
        batcher.encode(["a"])

    assert caught.value.error_code == "model_unavailable"
    assert batcher.encode(["aa"]).tolist() == [[2, 1]]
    batcher.close()


class OneRowEncoder:
    """An encoder that returns one row whatever it is given."""

    dimensions = 2

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return too few rows for more than one text."""
        return np.ones((len(texts[:1]), 2), dtype=np.float32)


def test_wrong_number_of_rows_is_an_error_and_not_a_mix_up() -> None:
    batcher = Batcher(OneRowEncoder, batch_size=4, batch_characters=100, max_wait=0.0)

    with pytest.raises(Unavailable, match="ValueError"):
        batcher.encode(["a", "b"])
    batcher.close()


def test_close_refuses_what_waits_and_what_comes(
    make: Callable[..., Batcher], encoder: LengthEncoder
) -> None:
    batcher = make(batch_size=4)
    encoder.gate.clear()

    with ThreadPoolExecutor(3) as pool:
        running = pool.submit(batcher.encode, ["running"])
        assert encoder.entered.acquire(timeout=10)
        waiting = pool.submit(batcher.encode, ["waiting"])
        wait_for_queue(batcher, 1)
        closing = pool.submit(batcher.close)
        while not batcher._closed:
            time.sleep(0.001)
        encoder.gate.set()
        closing.result(10)
        assert running.result(10).tolist() == [[7, 1]]
        refused = waiting.exception(10)

    assert isinstance(refused, Unavailable)
    assert refused.error_code == "embedder_closed"
    with pytest.raises(Unavailable, match="stopping"):
        batcher.encode(["late"])
