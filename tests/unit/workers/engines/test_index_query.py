"""One search over snapshot and delta: merged, filtered, and never short because of deletions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines.core.errors import PermanentError
from workers.engines.index import Delta, Hit, build, open_snapshot, search

NOTHING = Delta(np.zeros(0, np.int64), np.zeros((0, 2), np.float32))


def everything(ids: NDArray[np.int64]) -> set[int]:
    return set(ids.tolist())


def delta(rows: dict[int, list[float]]) -> Delta:
    vectors = np.array(list(rows.values()), dtype=np.float32).reshape(len(rows), 2)
    return Delta(np.array(list(rows), dtype=np.int64), vectors)


QUERY = np.array([1.0, 0.0], dtype=np.float32)


def test_nothing_finds_nothing() -> None:
    assert search(None, NOTHING, QUERY, 3, keep=everything) == []


def test_delta_alone_is_ranked_with_ties_by_id() -> None:
    rows = delta({5: [0.5, 0], 9: [1, 0], 3: [0.5, 1], 4: [0.25, 0]})

    hits = search(None, rows, QUERY, 3, keep=everything)

    assert hits == [Hit(9, 1.0), Hit(3, 0.5), Hit(5, 0.5)]


def test_newer_row_replaces_the_one_in_the_snapshot(tmp_path: Path) -> None:
    stored = np.array([[1, 0], [0.5, 0]], dtype=np.float32)
    reader = open_snapshot(build(tmp_path, np.array([1, 2]), stored, version=1))

    hits = search(reader, delta({1: [0.25, 0]}), QUERY, 5, keep=everything)

    assert hits == [Hit(2, 0.5), Hit(1, 0.25)]


def test_deleted_rows_never_come_back_and_never_shorten_the_answer(tmp_path: Path) -> None:
    stored = np.stack([np.linspace(1, 0.001, 1_000), np.zeros(1_000)], axis=1).astype(np.float32)
    reader = open_snapshot(build(tmp_path, np.arange(1_000), stored, version=1))
    living = {*range(990, 1_000), 2_000}

    hits = search(
        reader,
        delta({2_000: [0.0, 1], 2_001: [9, 0]}),
        QUERY,
        11,
        keep=lambda ids: living & set(ids.tolist()),
    )

    assert [hit.id for hit in hits] == [*range(990, 1_000), 2_000]


def test_clustered_snapshot_is_searched_until_the_survivors_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4_000, 2)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    info = build(tmp_path, np.arange(4_000), rows, version=1, exact_limit=100)
    reader = open_snapshot(info)
    living = set(np.argsort(rows @ QUERY)[:5].tolist())  # the five that are farthest away

    hits = search(reader, NOTHING, QUERY, 10, keep=lambda ids: living & set(ids.tolist()))

    assert info.kind == "ivf_sq8"
    assert reader.probes < reader.lists
    assert {hit.id for hit in hits} == living


def test_each_row_is_asked_for_once(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32)
    reader = open_snapshot(build(tmp_path, np.arange(500), rows, version=1))
    asked: list[int] = []

    def none_alive(ids: NDArray[np.int64]) -> set[int]:
        asked.extend(ids.tolist())
        return set()

    assert search(reader, delta({7: [1, 0], 900: [0, 1]}), QUERY, 4, keep=none_alive) == []
    assert sorted(asked) == [*range(500), 900]


def test_row_deleted_after_the_search_began_is_left_out(tmp_path: Path) -> None:
    stored = np.array([[1, 0], [0.5, 0]], dtype=np.float32)
    reader = open_snapshot(build(tmp_path, np.array([1, 2]), stored, version=1))
    living = {1, 2}

    def delete_one_first(ids: NDArray[np.int64]) -> set[int]:
        living.discard(1)
        return living & set(ids.tolist())

    assert search(reader, NOTHING, QUERY, 2, keep=delete_one_first) == [Hit(2, 0.5)]


@pytest.mark.parametrize("query", [np.ones(3, np.float32), np.ones((1, 2), np.float32)])
def test_query_of_another_shape_is_refused(query: NDArray[np.float32]) -> None:
    with pytest.raises(PermanentError) as caught:
        search(None, delta({1: [1, 0]}), query, 1, keep=everything)

    assert caught.value.error_code == "dimension_mismatch"


# Few values, so that equal scores are frequent; all exact in float32.
grid = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])
some_rows = st.dictionaries(st.integers(0, 40), st.tuples(grid, grid), max_size=25)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    old=some_rows,
    new=some_rows,
    deleted=st.sets(st.integers(0, 40)),
    query=st.tuples(grid, grid),
    k=st.integers(1, 12),
)
def test_search_is_a_ranking_of_the_living_rows(
    tmp_path: Path,
    old: dict[int, tuple[float, float]],
    new: dict[int, tuple[float, float]],
    deleted: set[int],
    query: tuple[float, float],
    k: int,
) -> None:
    info = build(
        tmp_path,
        np.array(list(old), dtype=np.int64),
        np.array(list(old.values()), dtype=np.float32).reshape(len(old), 2),
        version=1,
    )
    newer = delta({key: list(row) for key, row in new.items()})

    hits = search(
        open_snapshot(info),
        newer,
        np.array(query, dtype=np.float32),
        k,
        keep=lambda ids: set(ids.tolist()) - deleted,
    )

    scores = {
        key: row[0] * query[0] + row[1] * query[1]
        for key, row in {**old, **new}.items()
        if key not in deleted
    }
    ranked = sorted(scores.values(), reverse=True)[:k]
    assert [hit.score for hit in hits] == ranked
    assert all(scores[hit.id] == hit.score for hit in hits)
    assert len({hit.id for hit in hits}) == len(hits)
    assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.id))
