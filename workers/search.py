"""Finding the passages that are nearest to a question, in the collections that are in scope."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import structlog
from django.conf import settings

from pipelines.core.errors import Unavailable
from pipelines.knowledge import selectors
from pipelines.knowledge.models import Snapshot
from workers import configured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.engines.index import Delta, Hit, Reader

log = structlog.get_logger(__name__)

# Ids asked for in one query: databases bound the parameters of a statement.
KEEP_SLICE = 500


def nearest(query: str, collections: Iterable[UUID], k: int) -> list[Hit]:
    """Return the `k` best hits over all collections, best first; ids are those of passages."""
    vector = configured.embedder().embed([query])[0]
    hits = [hit for pk in collections for hit in _nearest_in(pk, vector, k)]
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:k]


def _nearest_in(collection_id: UUID, vector: NDArray[np.float32], k: int) -> list[Hit]:
    from workers.engines import index

    snapshot = Snapshot.objects.filter(collection_id=collection_id).first()
    reader = _open(snapshot) if snapshot else None
    alive = selectors.chunks_findable(collection_id)

    def keep(ids: NDArray[np.int64]) -> set[int]:
        slices = (ids[at : at + KEEP_SLICE].tolist() for at in range(0, len(ids), KEEP_SLICE))
        found = (alive.filter(pk__in=some).values_list("pk", flat=True) for some in slices)
        return set(chain.from_iterable(found))

    return index.search(reader, _delta(collection_id, reader), vector, k, keep=keep)


def _open(snapshot: Snapshot) -> Reader | None:
    """Open a snapshot; without a readable one everything is searched in the database."""
    try:
        return configured.snapshots().get(snapshot_info(snapshot))
    except Unavailable as error:
        log.warning(
            "index.unreadable", collection=str(snapshot.collection_id), code=error.error_code
        )
        return None


def snapshot_info(snapshot: Snapshot) -> Any:
    """Describe the file of a snapshot row."""
    from workers.engines import index

    return index.SnapshotInfo(
        path=settings.INDEX_ROOT / str(snapshot.collection_id) / Path(snapshot.path).name,
        checksum=snapshot.checksum,
        count=snapshot.count,
        dimensions=snapshot.dimensions,
        kind="flat" if snapshot.kind == "flat" else "ivf_sq8",
    )


def _delta(collection_id: UUID, reader: Reader | None) -> Delta:
    """Read the passages that are in no snapshot, or all of them when none can be read."""
    rows = selectors.chunks_findable(collection_id)
    if reader is not None:
        rows = rows.filter(document__indexed_version__isnull=True)
    return load_vectors(rows.values_list("pk", "vector"))


def load_vectors(rows: Iterable[tuple[int, bytes | memoryview | None]]) -> Delta:
    """Turn (id, bytes) rows into ids of shape (n,) and vectors of shape (n, dimensions)."""
    from workers.engines import index

    pairs = [(pk, bytes(vector)) for pk, vector in rows if vector is not None]
    dimensions = configured.embedder().dimensions
    return index.Delta(
        ids=np.array([pk for pk, _ in pairs], dtype=np.int64),
        vectors=index.unpack([vector for _, vector in pairs], dimensions),
    )
