"""What a process has one of, and a forked child makes anew, since threads stay behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

One = TypeVar("One")


class PerProcess(Generic[One]):
    """One object for each process, made when it is first asked for."""

    def __init__(self, make: Callable[[], One]) -> None:
        """Remember how it is made."""
        self._make = make
        self._lock = threading.Lock()
        self._made: tuple[int, One] | None = None

    def __call__(self) -> One:
        """Return this process's own."""
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                self._made = os.getpid(), self._make()
            return self._made[1]
