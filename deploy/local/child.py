"""One running process of the product, in a process group of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.local.guard import Guard
from deploy.local.logs import rotate
from deploy.local.process import Process


class Child:
    """A process that was started; its output goes to its log."""

    def __init__(
        self,
        process: Process,
        *,
        log: Path,
        root: Path,
        environment: Mapping[str, str],
        guard: Guard,
    ) -> None:
        """Start it.

        Raises:
            OSError: The program cannot be run.
        """
        self.process = process
        self.log = log
        self.began = time.monotonic()
        self._guard = guard
        rotate(log)
        with log.open("ab") as output:
            self._popen = subprocess.Popen(  # noqa: S603 - commands from our own table
                process.command,
                cwd=root,
                env={**environment, **process.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C on the terminal is for the runner alone, which ends all in their order.
                process_group=0,
            )
            guard.add(self._popen.pid)
            output.write(f"--- started as process {self._popen.pid}\n".encode())

    @property
    def pid(self) -> int:
        """The process id, which is the group's, too."""
        return self._popen.pid

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    def ended(self) -> int | None:
        """Return the exit status once it has ended, less than 0 for a signal; else None."""
        status = self._popen.poll()
        if status is not None:
            self._kill_group()  # what it left behind: a pool's processes
            self._guard.remove(self.pid)
        return status

    def send(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL goes to the whole group."""
        if number == signal.SIGKILL:
            self._kill_group()
        else:
            self._popen.send_signal(number)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def describe_status(status: int) -> str:
    """Say how a process ended."""
    if status >= 0:
        return f"ended with status {status}"
    return f"was ended by {signal.Signals(-status).name}"
