"""Kills the runner's children when the runner itself was killed and could not.

It is a process of its own that reads a pipe from the runner: `+PID` and `-PID`, one a line, as
process groups begin and end. However the runner ends, the pipe ends with it; whatever groups are
left then are killed at once, as the next start wants their ports. Unlike a parent-death signal
it reaches grandchildren, and works on every POSIX system. It runs on its own, without imports of
ours, to be small and quick.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable


def read_groups(lines: Iterable[str]) -> set[int]:
    """Follow the lines to their end; return the groups that were begun and not ended."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def main() -> None:
    """Wait for the runner's end, deaf to the signals that are meant for it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for group in read_groups(sys.stdin):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
