"""The processes' logs: files that they write themselves, so that a stuck terminal stops nobody."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

ROTATE_AT: Final = 20 * 2**20  # bytes
_READ_AT_ONCE: Final = 64 * 2**10  # bytes

_ALARM: Final = re.compile(
    r"\[(?:warning|error|critical)\s*\]"  # structlog, for people
    r'|"level": "(?:warning|error|critical)"'  # structlog, for machines
    r"|^(?:WARNING|ERROR|CRITICAL)\b"  # uvicorn
    r"|^Traceback "
)
# The runner itself asks until all is ready, and is told what is not.
_EXPECTED: Final = re.compile(r"Service Unavailable: /readyz")
_BEGINS: Final = re.compile(r"\d{4}-\d\d-\d\d|\{|[A-Z]+:|\[|---")


def rotate(path: Path, *, limit: int = ROTATE_AT) -> None:
    """Move what a log holds aside once it is larger than `limit` bytes; one older file is kept.

    Its writer appends, and so goes on at the beginning of the emptied file.
    """
    if path.exists() and path.stat().st_size > limit:
        shutil.copyfile(path, path.with_suffix(".log.1"))
        with path.open("r+b") as file:
            file.truncate()


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a log, as many as are there."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _READ_AT_ONCE))
        return file.read().decode(errors="replace").splitlines()[-count:]


class Tail:
    """Reads what is added to a log, from its present end on."""

    def __init__(self, path: Path) -> None:
        """Begin at the end."""
        self._path = path
        self._at = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def lines(self) -> list[str]:
        """Return the whole lines that were added since the last call, or a first part of them."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return []
        if size < self._at:  # rotated
            self._at, self._rest = 0, b""
        if size == self._at:
            return []
        with self._path.open("rb") as file:
            file.seek(self._at)
            added = file.read(_READ_AT_ONCE)
        self._at += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


class Alarms:
    """Picks warnings and errors out of a log, each with the lines that belong to it."""

    def __init__(self) -> None:
        """Begin outside of any."""
        self._inside = False

    def wants(self, line: str) -> bool:
        """Whether this line is one, or goes on with one."""
        if _ALARM.search(line) and not _EXPECTED.search(line):
            self._inside = True
        elif _BEGINS.match(line) or not line.strip():
            self._inside = False
        return self._inside
