"""What a process saw of the database a moment ago, and goes by for a moment more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from django.conf import settings

Seen = TypeVar("Seen")


class Glance(Generic[Seen]):
    """Answers what every request asks, by looking once each GLANCE_SECONDS.

    It is for what may be a second old, such as whether a queue is overfull, and not for what
    decides between rivals. Two threads that find it too old at once both look.
    """

    def __init__(self, look: Callable[[], Seen]) -> None:
        """Remember how to look."""
        self._look = look
        self._seen: tuple[float, Seen] | None = None

    def __call__(self) -> Seen:
        """Return what was seen lately; raises what looking raises."""
        now = time.monotonic()
        if self._seen is None or now - self._seen[0] >= settings.GLANCE_SECONDS:
            self._seen = now, self._look()
        return self._seen[1]
