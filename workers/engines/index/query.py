"""One search over a snapshot and the rows that are newer than it, without what has been deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import PermanentError
from workers.engines.index.snapshot import NONE_FOUND, Reader

Keep = Callable[[NDArray[np.int64]], Collection[int]]


@dataclass(frozen=True)
class Delta:
    """Rows not in the snapshot or newer: distinct ids, shape (n,), vectors (n, dimensions)."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]


@dataclass(frozen=True)
class Hit:
    """A row that was found, with the inner product of its vector and the query."""

    id: int
    score: float


def search(
    reader: Reader | None, delta: Delta, query: NDArray[np.float32], k: int, *, keep: Keep
) -> list[Hit]:
    """Return the `k` best rows that still exist, or all if there are fewer; ties by id.

    A row that is in both the snapshot and the delta counts as in the delta. The snapshot is asked
    for more until `k` of its rows have passed `keep` or it has no more, so that deletions never
    make the answer shorter.

    Args:
        reader: The snapshot, None while there is none.
        delta: The newer rows; searched one by one.
        query: Shape (dimensions,), unit length.
        k: At least 1.
        keep: Given ids, returns those that still exist and may be seen; called after the search, so
            that what was deleted meanwhile is left out too.

    Raises:
        PermanentError: The query and the rows differ in length (`dimension_mismatch`).
    """
    if query.ndim != 1 or (len(delta.ids) and delta.vectors.shape[1:] != query.shape):
        detail = f"A query of shape {query.shape} for rows of shape {delta.vectors.shape[1:]}."
        raise PermanentError(detail, code="dimension_mismatch")
    newer = _search_delta(delta, query, k, keep)
    older = _search_snapshot(reader, query, k, keep, set(delta.ids.tolist())) if reader else []
    return _best(newer + older, k)


def _best(hits: list[Hit], k: int) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:k]


def _search_delta(delta: Delta, query: NDArray[np.float32], k: int, keep: Keep) -> list[Hit]:
    """Rank every row, then ask in ever larger portions which of the best are still there."""
    if not len(delta.ids):
        return []
    scores = delta.vectors @ query
    order = np.lexsort((delta.ids, -scores))
    hits: list[Hit] = []
    taken, portion = 0, 2 * k
    while taken < len(order) and len(hits) < k:
        best = order[taken : taken + portion]
        alive = keep(delta.ids[best])
        pairs = zip(delta.ids[best].tolist(), scores[best].tolist(), strict=True)
        hits += [Hit(*pair) for pair in pairs if pair[0] in alive]
        taken, portion = taken + portion, 2 * portion
    return hits[:k]


def _search_snapshot(
    reader: Reader, query: NDArray[np.float32], k: int, keep: Keep, replaced: set[int]
) -> list[Hit]:
    """Ask for twice as many rows, in twice as many lists, until enough of them are still there."""
    count, probes = reader.info.count, reader.probes
    fetched = min(2 * k, count)
    alive: set[int] = set()
    asked: set[int] = set(replaced)
    while fetched:
        scores, ids = reader.search(query[np.newaxis], fetched, probes=probes)
        unknown = [at for at in ids[0].tolist() if at != NONE_FOUND and at not in asked]
        if unknown:
            alive.update(keep(np.array(unknown, dtype=np.int64)))
            asked.update(unknown)
        pairs = zip(ids[0].tolist(), scores[0].tolist(), strict=True)
        hits = [Hit(*pair) for pair in pairs if pair[0] in alive]
        if len(hits) >= k or (fetched >= count and probes >= reader.lists):
            return _best(hits, k)
        fetched, probes = min(2 * fetched, count), min(2 * probes, reader.lists)
    return []
