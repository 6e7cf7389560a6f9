"""Snapshots: their answers, damaged files, killed builders, swaps under readers, pruning."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.core.errors import PermanentError, Unavailable
from workers.engines.index import (
    CorruptSnapshot,
    SnapshotCache,
    SnapshotInfo,
    build,
    open_snapshot,
    pack,
    prune,
    unpack,
)

ROOT = Path(__file__).parents[4]


def clustered(count: int, dimensions: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors around 100 centres, as texts on 100 subjects would be."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((100, dimensions))
    rows = centres[rng.integers(0, 100, count)] + 0.7 * rng.standard_normal((count, dimensions))
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("f4")
    return unit


def shuffled_ids(count: int) -> NDArray[np.int64]:
    return np.random.default_rng(1).permutation(10 * count)[:count].astype(np.int64)


def brute_force(
    queries: NDArray[np.float32], ids: NDArray[np.int64], rows: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    scores = queries @ rows.T
    best = np.argsort(-scores, axis=1)[:, :k]
    return np.take_along_axis(scores, best, axis=1), ids[best]


@pytest.fixture
def small(tmp_path: Path) -> SnapshotInfo:
    return build(tmp_path, shuffled_ids(500), clustered(500, 32), version=3)


def test_small_collection_is_exact(tmp_path: Path) -> None:
    data = clustered(2_020, 64)
    rows, queries, ids = data[:2_000], data[2_000:], shuffled_ids(2_000)

    info = build(tmp_path, ids, rows, version=7)
    scores, found = open_snapshot(info).search(queries, 10)

    expected_scores, expected = brute_force(queries, ids, rows, 10)
    assert found.tolist() == expected.tolist()
    np.testing.assert_allclose(scores, expected_scores, atol=1e-5)
    assert (scores.dtype.str, found.dtype.str) == ("<f4", "<i8")
    assert (info.count, info.dimensions, info.kind) == (2_000, 64, "flat")


def test_large_collection_has_recall(tmp_path: Path) -> None:
    data = clustered(12_200, 384)
    rows, queries, ids = data[:12_000], data[12_000:], shuffled_ids(12_000)

    info = build(tmp_path, ids, rows, version=1, exact_limit=5_000)
    reader = open_snapshot(info)
    _, found = reader.search(queries, 10)

    _, expected = brute_force(queries, ids, rows, 10)
    pairs = zip(found.tolist(), expected.tolist(), strict=True)
    recall = np.mean([len(set(got) & set(right)) / 10 for got, right in pairs])
    assert recall >= 0.95
    assert info.kind == "ivf_sq8"
    assert 1 <= reader.probes < reader.lists == 307  # 12,000 / 39: enough to train each list
    assert info.path.stat().st_size < rows.nbytes / 3


def test_exact_limit_is_inclusive(tmp_path: Path) -> None:
    rows = clustered(100, 16)

    kinds = [
        build(tmp_path, np.arange(n), rows[:n], version=1, exact_limit=80).kind for n in (80, 81)
    ]

    assert kinds == ["flat", "ivf_sq8"]


def test_missing_rows_are_minus_one(tmp_path: Path) -> None:
    info = build(tmp_path, np.array([8, 9]), np.eye(2, 4, dtype=np.float32), version=1)

    scores, ids = open_snapshot(info).search(np.eye(1, 4, dtype=np.float32), 4)

    assert ids.tolist() == [[8, 9, -1, -1]]
    assert scores[0, :2].tolist() == [1.0, 0.0]


def test_empty_snapshot_answers(tmp_path: Path) -> None:
    info = build(tmp_path, np.zeros(0, np.int64), np.zeros((0, 8), np.float32), version=1)

    _, ids = open_snapshot(info).search(np.ones((1, 8), np.float32), 2)

    assert ids.tolist() == [[-1, -1]]


def test_file_is_named_by_version_and_content(small: SnapshotInfo) -> None:
    content = hashlib.sha256(small.path.read_bytes()).hexdigest()

    assert small.checksum == content
    assert small.path.name == f"00000003-{content[:12]}.faiss"
    assert [path.name for path in small.path.parent.iterdir()] == [small.path.name]


@pytest.mark.parametrize(
    ("ids", "vectors", "reason"),
    [
        ([1, 1], [[1, 0], [0, 1]], "twice"),
        ([-1, 1], [[1, 0], [0, 1]], "negative"),
        ([1], [[1, 0], [0, 1]], "shape"),
        ([1, 2], [[1, 0], [np.nan, 1]], "finite"),
    ],
)
def test_wrong_rows_are_not_built(
    tmp_path: Path, ids: list[int], vectors: list[list[float]], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        build(tmp_path, np.array(ids), np.array(vectors, dtype=np.float32), version=1)

    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    limited = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
import numpy as np
from pathlib import Path
from pipelines.core.errors import Unavailable
from workers.engines.index import build
try:
    build(Path({str(tmp_path)!r}), np.arange(1000), np.ones((1000, 64), np.float32), version=1)
except Unavailable as error:
    sys.exit(error.error_code)
"""

    done = subprocess.run(
        [sys.executable, "-c", limited], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.stderr.strip() == "snapshot_not_written"
    assert list(tmp_path.iterdir()) == []


def test_query_of_another_length_is_refused(small: SnapshotInfo) -> None:
    with pytest.raises(PermanentError) as caught:
        open_snapshot(small).search(np.ones((1, 31), np.float32), 1)

    assert caught.value.error_code == "dimension_mismatch"


def test_missing_file_is_corrupt(small: SnapshotInfo) -> None:
    small.path.unlink()

    with pytest.raises(CorruptSnapshot, match=small.path.name):
        open_snapshot(small)


def test_truncated_file_is_corrupt(small: SnapshotInfo) -> None:
    os.truncate(small.path, small.path.stat().st_size - 1)

    with pytest.raises(CorruptSnapshot):
        open_snapshot(small)


@pytest.mark.parametrize("where", [0.0, 0.01, 0.5, 0.999])
def test_flipped_bit_is_corrupt(small: SnapshotInfo, where: float) -> None:
    content = bytearray(small.path.read_bytes())
    content[int(where * len(content))] ^= 1
    small.path.write_bytes(content)

    with pytest.raises(CorruptSnapshot):
        open_snapshot(small)


def test_corrupt_snapshot_can_be_retried_after_a_rebuild(small: SnapshotInfo) -> None:
    content = small.path.read_bytes()
    cache = SnapshotCache()
    small.path.write_bytes(content[:-1])
    with pytest.raises(CorruptSnapshot) as caught:
        cache.get(small)

    small.path.write_bytes(content)

    assert isinstance(caught.value, Unavailable)
    assert cache.get(small).info == small


def test_cache_opens_once_and_drops_the_least_used(tmp_path: Path) -> None:
    rows = clustered(50, 16)
    infos = [build(tmp_path, np.arange(50), rows, version=n) for n in range(3)]
    cache = SnapshotCache(limit=2)

    first, second = cache.get(infos[0]), cache.get(infos[1])
    assert cache.get(infos[0]) is first
    cache.get(infos[2])  # drops the second

    assert cache.get(infos[0]) is first
    assert cache.get(infos[1]) is not second


def test_cache_opens_once_for_many_threads(small: SnapshotInfo) -> None:
    cache, readers = SnapshotCache(), []
    barrier = threading.Barrier(8)

    def _get() -> None:
        barrier.wait()
        readers.append(cache.get(small))

    threads = [threading.Thread(target=_get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(readers) == 8
    assert len({id(reader) for reader in readers}) == 1


BUILDER = """
import sys
from pathlib import Path
import numpy as np
from workers.engines.index import build
rng = np.random.default_rng(0)
rows = rng.standard_normal((4000, 128)).astype(np.float32)
for version in range(100_000):
    build(Path(sys.argv[1]), np.arange(4000) + version, rows, version=version)
    print(version, flush=True)
"""


def test_killed_builders_leave_only_whole_snapshots(tmp_path: Path) -> None:
    rng = random.Random(20)
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", BUILDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
        ) as builder:
            assert builder.stdout is not None
            assert builder.stdout.readline() == b"0\n"
            time.sleep(rng.uniform(0.0, 0.3))
            builder.send_signal(signal.SIGKILL)

    snapshots = sorted(tmp_path.glob("*.faiss"))
    assert snapshots
    for path in snapshots:
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        assert path.stem.endswith(checksum[:12])
        reader = open_snapshot(SnapshotInfo(path, checksum, 4_000, 128, "flat"))
        _, ids = reader.search(np.ones((1, 128), np.float32), 4_000)
        first = int(path.stem.split("-")[0])
        assert sorted(ids[0].tolist()) == list(range(first, first + 4_000))

    leftovers = len(list(tmp_path.glob(".*.tmp")))
    assert leftovers
    assert prune(tmp_path, snapshots, older_than=0) == leftovers
    assert sorted(tmp_path.iterdir()) == snapshots


def test_reader_never_errs_while_snapshots_are_swapped(tmp_path: Path) -> None:
    rows = clustered(2_000, 32)
    current = [build(tmp_path, np.arange(2_000), rows, version=0)]
    cache, done, errors, searches = SnapshotCache(limit=2), threading.Event(), [], [0]

    def _read() -> None:
        try:
            while not done.is_set():
                info = current[0]
                first = int(info.path.stem.split("-")[0])
                _, ids = cache.get(info).search(rows[:3], 1)
                assert ids[:, 0].tolist() == [first, first + 1, first + 2]
                searches[0] += 1
        except BaseException as error:
            errors.append(error)
            raise

    readers = [threading.Thread(target=_read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for version in range(1, 51):
        info = build(tmp_path, np.arange(2_000) + version, rows, version=version)
        previous, current[0] = current[0], info
        prune(tmp_path, [info.path, previous.path], older_than=0)
    done.set()
    for reader in readers:
        reader.join()

    assert errors == []
    assert searches[0] >= 50
    assert len(list(tmp_path.iterdir())) == 2


def test_open_reader_survives_the_removal_of_its_file(small: SnapshotInfo) -> None:
    reader = open_snapshot(small)
    queries = clustered(5, 32, seed=4)
    before = reader.search(queries, 5)[1].tolist()

    assert prune(small.path.parent, [], older_than=0) == 1

    assert not small.path.exists()
    assert reader.search(queries, 5)[1].tolist() == before


def test_prune_spares_the_new_the_kept_and_the_foreign(tmp_path: Path) -> None:
    rows = clustered(10, 8)
    old, kept, new = (build(tmp_path, np.arange(10), rows, version=n) for n in range(3))
    foreign = tmp_path / "notes.txt"
    stale = tmp_path / f".00000009-{'a' * 32}.tmp"
    for path in (foreign, stale):
        path.write_text("x")
    an_hour_ago = time.time() - 3_600
    for path in (old.path, kept.path, foreign, stale):
        os.utime(path, (an_hour_ago, an_hour_ago))

    removed = prune(tmp_path, [kept.path], older_than=600)

    assert removed == 2
    assert set(tmp_path.iterdir()) == {kept.path, new.path, foreign}


def test_vectors_are_stored_as_little_endian_floats() -> None:
    vectors = np.array([[1.0, -2.5], [0.0, 3e-8]], dtype=np.float32)

    rows = pack(vectors)

    assert rows[0] == b"\x00\x00\x80\x3f\x00\x00\x20\xc0"
    restored = unpack(rows, 2)
    assert restored.tobytes() == vectors.tobytes()
    assert (restored.dtype.str, restored.shape) == ("<f4", (2, 2))
    assert restored.flags.writeable
    assert unpack([], 5).shape == (0, 5)


@pytest.mark.parametrize("row", [b"", b"\0" * 7, b"\0" * 12])
def test_stored_vector_of_another_length_is_corrupt(row: bytes) -> None:
    with pytest.raises(PermanentError) as caught:
        unpack([b"\0" * 8, row], 2)

    assert caught.value.error_code == "corrupt_vector"
