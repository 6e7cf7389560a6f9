"""The runner's end of the pipe to its guardian."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

_PROGRAM: Final = Path(__file__).with_name("guardian.py")


class Guard:
    """Keeps a guardian alive that knows every process group of the product."""

    def __init__(self) -> None:
        """Start the guardian."""
        self._groups: set[int] = set()
        self._guardian = self._start()

    @property
    def pid(self) -> int:
        """The guardian's process id."""
        return self._guardian.pid

    def add(self, group: int) -> None:
        """Have a process group killed if the runner dies."""
        self._groups.add(group)
        self._tell(f"+{group}")

    def remove(self, group: int) -> None:
        """Forget a group that has ended: its number may be another's soon."""
        self._groups.discard(group)
        self._tell(f"-{group}")

    def close(self) -> None:
        """End the guardian; groups that are left are killed."""
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()
        self._guardian.wait()

    def _tell(self, line: str) -> None:
        assert self._guardian.stdin is not None
        try:
            self._guardian.stdin.write(f"{line}\n".encode())
        except BrokenPipeError:  # killed: another takes its place and learns all there is to know
            self.close()
            self._guardian = self._start()
            for group in self._groups:
                self._tell(f"+{group}")

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
