"""How many files and lines a process may have open: a client that waits or streams holds one."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

_OPEN_FILES: Final = 65_536


def raise_open_files() -> None:
    """Allow this process, and those that it starts, as many as its system lets it have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    # Some systems have a further limit that they do not name.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
