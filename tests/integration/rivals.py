"""Work that many threads begin at the same moment, each over a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

RIVALS = 16
T = TypeVar("T")


def at_once(work: Callable[[int], T], count: int = RIVALS) -> list[T]:
    """Run a function in many threads that set off together; return what each returned."""
    start = threading.Barrier(count)

    def run(number: int) -> T:
        try:
            start.wait()
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
