"""Building a snapshot so that no reader ever sees half of one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

import faiss
import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import Unavailable
from workers.engines.index.snapshot import (
    FLAT,
    IVF_SQ8,
    SnapshotInfo,
    open_snapshot,
    probing,
    sha256,
)

SUFFIX: Final = ".faiss"
TEMPORARY_SUFFIX: Final = ".tmp"

# More training points than this for a list make the build slower and the recall no better; fewer,
# worse.
_TRAINING_POINTS: Final = (39, 64)
_TUNING_QUERIES: Final = 64
_TUNING_DEPTH: Final = 10
_TUNING_SHARE: Final = 0.98


def build(
    directory: Path,
    ids: NDArray[np.int64],
    vectors: NDArray[np.float32],
    *,
    version: int,
    exact_limit: int = 50_000,
) -> SnapshotInfo:
    """Write a snapshot and return what describes it.

    It is written under another name, forced to disk, read back and searched before it gets its own,
    so that a crash at any moment leaves either the whole snapshot or a temporary file for `prune`.

    Args:
        directory: Where the collection's snapshots are; made when it is missing.
        ids: Shape (n,), distinct and not negative.
        vectors: Shape (n, dimensions), unit length.
        version: Rises with each snapshot of a collection; the file's name begins with it.
        exact_limit: Up to so many rows the index is exact (`flat`), beyond it clustered in 8 bits
            (`ivf_sq8`).

    Raises:
        ValueError: The ids or vectors are not as said.
        Unavailable: The file could not be written (`snapshot_not_written`).
    """
    _check(ids, vectors)
    kind: Literal["flat", "ivf_sq8"] = FLAT if len(ids) <= exact_limit else IVF_SQ8
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    index = _flat(ids, rows) if kind == FLAT else _clustered(ids, rows)
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".{version:08d}-{uuid4().hex}{TEMPORARY_SUFFIX}"
    try:
        info = _write(index, temporary, kind)
        _verify(info, index, rows)
        path = directory / f"{version:08d}-{info.checksum[:12]}{SUFFIX}"
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    _force_to_disk(directory)
    return SnapshotInfo(path, info.checksum, info.count, info.dimensions, kind)


def _check(ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
    if vectors.ndim != 2 or ids.shape != vectors.shape[:1]:
        raise ValueError(f"ids of shape {ids.shape} for vectors of shape {vectors.shape}")
    if len(ids) and ids.min() < 0:
        raise ValueError("an id is negative")
    if len(np.unique(ids)) != len(ids):
        raise ValueError("an id occurs twice")
    if not np.isfinite(vectors).all():
        raise ValueError("a vector is not finite")


def _flat(ids: NDArray[np.int64], rows: NDArray[np.float32]) -> faiss.Index:
    index = faiss.IndexIDMap(faiss.IndexFlatIP(rows.shape[1]))
    index.add_with_ids(rows, ids)
    return index


def _clustered(ids: NDArray[np.int64], rows: NDArray[np.float32]) -> faiss.Index:
    """Cluster the rows into about 4 √n lists and store each value in 8 bits."""
    count, dimensions = rows.shape
    fewest, most = _TRAINING_POINTS
    lists = max(1, min(int(4 * count**0.5), count // fewest))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimensions),
        dimensions,
        lists,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.cp.max_points_per_centroid = most
    index.train(rows)
    index.add_with_ids(rows, ids)
    index.nprobe = _probes(index, rows)
    return index


def _probes(index: faiss.IndexIVF, rows: NDArray[np.float32]) -> int:
    """Choose into how many lists a search looks: as few as find nearly what all of them hold.

    The trial queries are rows moved by noise of their own length, since a real query is seldom a
    stored row.
    """
    random = np.random.default_rng(0)
    chosen = random.choice(len(rows), size=min(_TUNING_QUERIES, len(rows)), replace=False)
    noise = random.standard_normal((len(chosen), rows.shape[1])) / rows.shape[1] ** 0.5
    queries = (rows[chosen] + noise).astype(np.float32)
    everything = probing(index.nlist)
    scores, _ = index.search(queries, _TUNING_DEPTH, params=everything)
    worst = scores[:, -1:] - 1e-6
    probes = 1
    while probes < index.nlist:
        found, _ = index.search(queries, _TUNING_DEPTH, params=probing(probes))
        if np.mean(found >= worst) >= _TUNING_SHARE:
            break
        probes *= 2
    return min(probes, index.nlist)


def _write(index: faiss.Index, path: Path, kind: Literal["flat", "ivf_sq8"]) -> SnapshotInfo:
    try:
        faiss.write_index(index, str(path))
        _force_to_disk(path)
        return SnapshotInfo(path, sha256(path), index.ntotal, index.d, kind)
    except (OSError, RuntimeError) as error:
        detail = "The snapshot cannot be written."
        raise Unavailable(detail, code="snapshot_not_written") from error


def _verify(info: SnapshotInfo, index: faiss.Index, rows: NDArray[np.float32]) -> None:
    """Read the file as a reader will, and hold its answers against those of the index in memory."""
    probes = rows[:: max(1, len(rows) // _TUNING_QUERIES)][:_TUNING_QUERIES]
    if not len(probes):
        return
    scores, _ = open_snapshot(info).search(probes, 1)
    expected, _ = index.search(probes, 1)
    if not np.array_equal(scores, expected):
        raise Unavailable("The snapshot does not answer as built.", code="snapshot_not_written")


def _force_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
