"""Removing the snapshots that nothing names any more, and what an interrupted build left behind."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from workers.engines.index.build import SUFFIX, TEMPORARY_SUFFIX

_SNAPSHOT: Final = re.compile(rf"\d{{8,}}-[0-9a-f]{{12}}{re.escape(SUFFIX)}")
_TEMPORARY: Final = re.compile(rf"\.\d{{8,}}-[0-9a-f]{{32}}{re.escape(TEMPORARY_SUFFIX)}")


def prune(directory: Path, keep: Collection[Path], *, older_than: float) -> int:
    """Remove a collection's snapshots that are not kept, and temporary files; return how many.

    Readers that have a removed file open go on reading it.

    Args:
        directory: As it was given to `build`; other files in it are left alone.
        keep: The snapshots that the database names.
        older_than: Seconds since a file was written, under which it stays: its row may not be
            committed yet.
    """
    names = {path.name for path in keep}
    before = time.time() - older_than
    candidates = [
        path for path in directory.glob("*") if _is_ours(path.name) and path.name not in names
    ]
    return sum(_remove(path, before) for path in candidates)


def _is_ours(name: str) -> bool:
    return bool(_SNAPSHOT.fullmatch(name) or _TEMPORARY.fullmatch(name))


def _remove(path: Path, before: float) -> bool:
    """Remove a file unless it is too new, or another process was faster."""
    try:
        if path.stat().st_mtime > before:
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True
