"""The snapshots that a process has open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path

from workers.engines.index.snapshot import Reader, SnapshotInfo, open_snapshot


class SnapshotCache:
    """Keeps the last used readers open; a snapshot is opened and checked once, however many ask."""

    def __init__(self, limit: int = 16) -> None:
        """Keep `limit` readers; one that is dropped stays mapped until its last search is over."""
        self._limit = limit
        self._readers: OrderedDict[tuple[Path, str], Future[Reader]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, info: SnapshotInfo) -> Reader:
        """Return the open reader of a snapshot.

        Raises:
            CorruptSnapshot: As `open_snapshot` says; the next call tries again.
        """
        key = (info.path, info.checksum)
        with self._lock:
            future = self._readers.get(key)
            mine = future is None
            future = future or self._readers.setdefault(key, Future())
            self._readers.move_to_end(key)
            while len(self._readers) > self._limit:
                self._readers.popitem(last=False)
        if mine:
            self._open(key, info, future)
        return future.result()

    def _open(self, key: tuple[Path, str], info: SnapshotInfo, future: Future[Reader]) -> None:
        """Fulfil a promise that others may be waiting for already."""
        try:
            future.set_result(open_snapshot(info))
        except BaseException as error:  # noqa: BLE001 - raised again by `result`, in every waiter
            with self._lock:
                if self._readers.get(key) is future:
                    del self._readers[key]
            future.set_exception(error)
