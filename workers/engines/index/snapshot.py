"""A snapshot on disk: what describes it, and how it is opened and searched."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import PermanentError, Unavailable

FLAT: Final = "flat"
IVF_SQ8: Final = "ivf_sq8"
NONE_FOUND: Final = -1  # what FAISS puts where there is no further row


class CorruptSnapshot(Unavailable):
    """The snapshot is missing or is not the file that was built; build it again."""

    code = "corrupt_snapshot"


@dataclass(frozen=True)
class SnapshotInfo:
    """One immutable file: its SHA-256 in hex, how many rows, how long, and which index."""

    path: Path
    checksum: str
    count: int
    dimensions: int
    kind: Literal["flat", "ivf_sq8"]


class Reader:
    """An open snapshot; any number of threads may search it at once."""

    def __init__(self, info: SnapshotInfo, index: faiss.Index) -> None:
        """Wrap an index that `open_snapshot` has checked."""
        self.info = info
        self._index = index
        self.lists = self.probes = 1
        if isinstance(index, faiss.IndexIVF):
            self.lists, self.probes = index.nlist, index.nprobe

    def search(
        self, queries: NDArray[np.float32], k: int, *, probes: int = 0
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the rows with the largest inner products.

        Args:
            queries: Shape (m, dimensions).
            k: Rows wanted for each query, at least 1.
            probes: How many of the `lists` to look into; 0 for the number chosen when it was built.

        Returns:
            Scores and ids, each of shape (m, k), best first; the id is -1 where there is no further
            row.

        Raises:
            PermanentError: The queries have another length than the rows (`dimension_mismatch`).
        """
        if queries.ndim != 2 or queries.shape[1] != self.info.dimensions:
            detail = f"Queries of shape {queries.shape} for rows of length {self.info.dimensions}."
            raise PermanentError(detail, code="dimension_mismatch")
        wanted = np.ascontiguousarray(queries, dtype=np.float32)
        if self.lists == 1:
            return self._index.search(wanted, k)
        effort = probing(min(probes or self.probes, self.lists))
        return self._index.search(wanted, k, params=effort)


def open_snapshot(info: SnapshotInfo) -> Reader:
    """Check a snapshot's whole file against its checksum and map it into memory.

    The pages are shared with every other process that has the file open, and are read as searches
    need them.

    Raises:
        CorruptSnapshot: There is no such file, or its bytes are not those that were built.
    """
    try:
        checksum = sha256(info.path)
    except OSError as error:
        raise CorruptSnapshot(f"Snapshot {info.path.name} cannot be read.") from error
    if checksum != info.checksum:
        raise CorruptSnapshot(f"Snapshot {info.path.name} does not have its checksum.")
    try:
        index = faiss.read_index(str(info.path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise CorruptSnapshot(f"Snapshot {info.path.name} is no index.") from error
    if (index.ntotal, index.d) != (info.count, info.dimensions):
        raise CorruptSnapshot(f"Snapshot {info.path.name} holds {index.ntotal} × {index.d} values.")
    return Reader(info, index)


def probing(lists: int) -> faiss.SearchParametersIVF:
    """Return the parameters of one search that looks into so many lists."""
    parameters = faiss.SearchParametersIVF()
    parameters.nprobe = lists
    return parameters


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
