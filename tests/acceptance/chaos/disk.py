"""A disk for artifacts that can be full: a tmpfs where mounting is allowed, else a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = "2g"


class Disk:
    """A folder that can refuse to be written to."""

    def __init__(self, folder: Path) -> None:
        """Mount a small file system there, if this user may."""
        self.folder = folder
        self._aside = folder.with_name(f"{folder.name}.aside")
        folder.mkdir(parents=True, exist_ok=True)
        self.is_mounted = _runs("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder))

    def fill(self) -> None:
        """Leave no room: shrink it to what is in it; or, unmounted, put a file in its place."""
        if self.is_mounted:
            used = os.statvfs(self.folder)
            size = max(1, used.f_blocks - used.f_bfree) * used.f_frsize
            self._resize(str(size))
        else:
            self.folder.rename(self._aside)
            self.folder.touch()

    def empty(self) -> None:
        """Make room again."""
        if self.is_mounted:
            self._resize(SIZE)
        elif self._aside.exists():
            self.folder.unlink()
            self._aside.rename(self.folder)

    def close(self) -> None:
        """Unmount it."""
        if self.is_mounted:
            _runs("umount", "-l", str(self.folder))

    def _resize(self, size: str) -> None:
        assert _runs("mount", "-o", f"remount,size={size}", str(self.folder))


def _runs(*words: str) -> bool:
    """Run a command; whether it succeeded."""
    try:
        return subprocess.run(words, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Have a disk, and give it back at the end."""
    disk = Disk(folder)
    try:
        yield disk
    finally:
        disk.close()
