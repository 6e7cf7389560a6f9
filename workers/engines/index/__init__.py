"""Nearest vectors: immutable FAISS snapshots, with newer rows added and deleted ones left out."""

from workers.engines.index.build import build
from workers.engines.index.cache import SnapshotCache
from workers.engines.index.prune import prune
from workers.engines.index.query import Delta, Hit, search
from workers.engines.index.snapshot import CorruptSnapshot, Reader, SnapshotInfo, open_snapshot
from workers.engines.index.vectors import pack, unpack

__all__ = [
    "CorruptSnapshot",
    "Delta",
    "Hit",
    "Reader",
    "SnapshotCache",
    "SnapshotInfo",
    "build",
    "open_snapshot",
    "pack",
    "prune",
    "search",
    "unpack",
]
