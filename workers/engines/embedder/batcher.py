"""Merging the calls of many threads into batches for the one thread that owns the model."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import Unavailable

QUERY_TEXTS: Final = 8  # a call of no more texts than this goes before the bulk ones
QUERY_BATCHES_IN_A_ROW: Final = 4  # then a waiting bulk call gets one piece, lest it starve
STOP_SECONDS: Final = 10.0


class Encoder(Protocol):
    """A loaded model."""

    @property
    def dimensions(self) -> int:
        """The length of a vector."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return shape (n, dimensions) for one batch."""


@dataclass(eq=False)
class _Call:
    """One caller's texts; `taken` of them have been given to the model."""

    texts: Sequence[str]
    arrived: float
    result: Future[NDArray[np.float32]] = field(default_factory=Future)
    rows: list[NDArray[np.float32]] = field(default_factory=list)
    taken: int = 0

    @property
    def left(self) -> int:
        return len(self.texts) - self.taken

    def fail(self, detail: str, code: str, cause: Exception | None = None) -> None:
        """Give this caller an error object of its own, since raising one writes to it."""
        error = Unavailable(detail, code=code)
        error.__cause__ = cause
        self.result.set_exception(error)


@dataclass(frozen=True)
class _Part:
    """The texts of a call that are in a batch."""

    call: _Call
    texts: Sequence[str]
    last: bool


class Batcher:
    """Runs an encoder in a thread of its own and answers each caller with its own rows."""

    def __init__(
        self,
        load: Callable[[], Encoder],
        *,
        batch_size: int,
        batch_characters: int,
        max_wait: float,
    ) -> None:
        """Remember how to load the encoder; that and the thread wait for the first call.

        Args:
            load: Called in the owning thread, again after a failure.
            batch_size: Texts in one batch, at most.
            batch_characters: Longest text times number of texts in one batch, at most, unless it is
                a single text.
            max_wait: Seconds between the arrival of the oldest call and a batch that is not full.
        """
        self._load = load
        self._encoder: Encoder | None = None
        self._batch_size = batch_size
        self._batch_characters = batch_characters
        self._max_wait = max_wait
        self._queries: deque[_Call] = deque()
        self._bulk: deque[_Call] = deque()
        self._queries_in_a_row = 0
        self._changed = threading.Condition()
        self._owner: threading.Thread | None = None
        self._closed = False
        self._pid = os.getpid()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the rows of these texts, shape (n, dimensions), when their last batch is done."""
        call = _Call(texts, arrived=time.monotonic())
        with self._changed:
            if self._closed:
                call.fail("The embedder is stopping.", "embedder_closed")
                return call.result.result()
            if self._owner is None:
                self._owner = threading.Thread(target=self._run, name="embedder", daemon=True)
                self._owner.start()
                atexit.register(self.close)
            (self._queries if len(texts) <= QUERY_TEXTS else self._bulk).append(call)
            self._changed.notify()
        return call.result.result()

    def close(self) -> None:
        """Finish the batch at hand, refuse what waits, end the thread; do nothing in a fork."""
        if os.getpid() != self._pid:
            return
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._owner is not None:
            self._owner.join(STOP_SECONDS)

    def _run(self) -> None:
        while parts := self._next():
            self._serve(parts)
        for call in self._waiting():
            call.fail("The embedder is stopping.", "embedder_closed")

    def _next(self) -> list[_Part]:
        """Wait until there is a batch worth running; an empty one means the end."""
        with self._changed:
            while not self._closed:
                arrived = min((call.arrived for call in self._waiting()), default=None)
                if arrived is None:
                    self._changed.wait()
                    continue
                pause = arrived + self._max_wait - time.monotonic()
                full = sum(call.left for call in self._waiting()) >= self._batch_size
                if full or pause <= 0:
                    return self._take()
                self._changed.wait(pause)
        return []

    def _waiting(self) -> Iterator[_Call]:
        return chain(self._queries, self._bulk)

    def _take(self) -> list[_Part]:
        """Fill a batch with queries or with bulk work, never both: a query's batch stays short."""
        turn_of_bulk = self._queries_in_a_row >= QUERY_BATCHES_IN_A_ROW and self._bulk
        queue = self._bulk if turn_of_bulk or not self._queries else self._queries
        self._queries_in_a_row = self._queries_in_a_row + 1 if queue is self._queries else 0
        parts: list[_Part] = []
        count = longest = 0
        while queue and count < self._batch_size:
            call = queue[0]
            room, longest = self._room(call, count, longest)
            if not room and call.left:
                break
            texts = call.texts[call.taken : call.taken + room]
            call.taken += room
            count += room
            parts.append(_Part(call, texts, last=not call.left))
            queue.popleft()
            if call.left:
                queue.append(call)  # behind the other bulk calls: they take turns
                break
        return parts

    def _room(self, call: _Call, count: int, longest: int) -> tuple[int, int]:
        """Return how many more texts fit into a batch of `count`, and its longest text then."""
        room = 0
        for text in call.texts[call.taken : call.taken + self._batch_size - count]:
            width = max(longest, len(text))
            if count + room and (count + room + 1) * width > self._batch_characters:
                break
            room, longest = room + 1, width
        return room, longest

    def _serve(self, parts: Sequence[_Part]) -> None:
        """Run one batch; whatever goes wrong reaches the callers in it and no others."""
        try:
            self._encoder = self._encoder or self._load()
        except Exception as error:  # noqa: BLE001 - the callers raise it; this thread must go on
            self._fail(parts, "model_unavailable", "The embedding model cannot be loaded", error)
            return
        try:
            self._answer(parts, self._encoder)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(parts, "embedding_failed", "The embedding model failed on a batch", error)

    def _answer(self, parts: Sequence[_Part], encoder: Encoder) -> None:
        texts = [text for part in parts for text in part.texts]
        rows = encoder.encode(texts) if texts else np.empty((0, encoder.dimensions), np.float32)
        if rows.shape != (len(texts), encoder.dimensions):
            raise ValueError(f"{len(texts)} texts gave vectors of shape {rows.shape}")
        at = 0
        for part in parts:
            part.call.rows.append(rows[at : at + len(part.texts)])
            at += len(part.texts)
            if part.last:
                part.call.result.set_result(np.concatenate(part.call.rows))

    def _fail(self, parts: Sequence[_Part], code: str, detail: str, cause: Exception) -> None:
        with self._changed:
            for part in parts:
                if part.call in self._bulk:
                    self._bulk.remove(part.call)
                if part.call in self._queries:
                    self._queries.remove(part.call)
        for part in parts:
            if not part.call.result.done():
                part.call.fail(f"{detail} ({type(cause).__name__}).", code, cause)
