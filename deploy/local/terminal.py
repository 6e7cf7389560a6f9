"""Lines for the person who started the runner; coloured only where a terminal shows them."""

from __future__ import annotations

import contextlib
import sys
import time
from enum import StrEnum
from typing import TextIO


class Style(StrEnum):
    """How a line looks, as the number of an ANSI escape."""

    PLAIN = ""
    STRONG = "1"
    QUIET = "2"
    GOOD = "32"
    WARN = "33"
    BAD = "31"


class Terminal:
    """Where progress is told; a terminal that went away is no reason to end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to a stream, the standard output unless another is given."""
        self._stream = stream or sys.stdout
        self._colour = self._stream.isatty()
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since this terminal was opened, which is when the command began."""
        return time.monotonic() - self._began

    def line(self, text: str = "", style: Style = Style.PLAIN) -> None:
        """Write one line, or several."""
        shown = f"\x1b[{style}m{text}\x1b[0m" if style and self._colour else text
        encoding = self._stream.encoding or "utf-8"
        spelt = shown.encode(encoding, "replace").decode(encoding)
        with contextlib.suppress(OSError, ValueError):  # hung up, or closed
            self._stream.write(spelt + "\n")
            self._stream.flush()

    def step(self, text: str, style: Style = Style.PLAIN) -> None:
        """Write one line with the seconds since the start."""
        self.line(f"[{self.seconds:6.1f} s] {text}", style)

    def of(self, name: str, text: str, style: Style = Style.PLAIN) -> None:
        """Write what a process has to say, under its name."""
        self.line(f"{name:>9} | {text}", style)
