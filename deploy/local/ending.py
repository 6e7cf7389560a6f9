"""Asking running processes to end, ever more firmly."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Final

from deploy.local.child import Child
from deploy.local.process import DROP_SECONDS, Process

_PAUSE: Final = 0.05  # seconds
_FIRMER: Final = (signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL)


def by_stage(children: Iterable[Child]) -> Iterator[list[Child]]:
    """Yield the children that end together, in the order of ending."""
    ordered = sorted(children, key=_stage)
    return (list(group) for _, group in groupby(ordered, key=_stage))


def end(
    children: Iterable[Child], *, hurried: Callable[[], bool], idle: Callable[[], None]
) -> None:
    """End children side by side; return when the last has gone.

    Args:
        children: Whom to end.
        hurried: Whether patience has run out; asked again and again.
        idle: Called while waiting.
    """
    alive = {child: _Demands(child.process) for child in children}
    while alive:
        for child, demands in list(alive.items()):
            if child.ended() is not None:
                del alive[child]
            elif (number := demands.due(hurried=hurried())) is not None:
                child.send(number)
        idle()
        time.sleep(_PAUSE if alive else 0)


class _Demands:
    """What has been asked of one child, and since when."""

    def __init__(self, process: Process) -> None:
        self._left = list(_FIRMER)
        self._grace = process.grace
        self._asked_at = 0.0

    def due(self, *, hurried: bool) -> signal.Signals | None:
        """Return the signal whose time has come."""
        if not self._left:
            return None
        patience = self._patience(hurried=hurried)
        if time.monotonic() - self._asked_at < patience:
            return None
        self._asked_at = time.monotonic()
        return self._left.pop(0)

    def _patience(self, *, hurried: bool) -> float:
        match len(self._left):
            case 3:
                return 0.0
            case 2:
                return 0.0 if hurried else self._grace
            case _:
                return min(1.0, DROP_SECONDS) if hurried else DROP_SECONDS


def _stage(child: Child) -> int:
    return child.process.stage
