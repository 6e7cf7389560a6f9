"""Starts again whatever has ended, as systemd does, and remembers when each process died."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import defaultdict
from dataclasses import dataclass

from tests.acceptance.stack import Stack

LOOK_SECONDS = 0.1
# A process that ends at once, as without a database, is given this long before the next start.
PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Death:
    """A process that ended or fell asleep: its name and when, in seconds since the epoch."""

    name: str
    at: float
    how: str


class Supervisor(threading.Thread):
    """Watches over a stack's processes; its methods may be called from any thread."""

    def __init__(self, stack: Stack) -> None:
        """Prepare to watch; what runs is what the stack has started."""
        super().__init__(name="supervisor", daemon=True)
        self.deaths: list[Death] = []
        self.last_start = 0.0
        self._stack = stack
        self._asleep: set[str] = set()
        self._born: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.RLock()
        self._end = threading.Event()

    def run(self) -> None:
        """Look after them until told to end."""
        while not self._end.wait(LOOK_SECONDS):
            with self._lock:
                for name in list(self._stack.running):
                    self._look_at(name)

    def end(self) -> None:
        """Stop watching, and wake whoever sleeps."""
        self._end.set()
        self.join()
        for name in list(self._asleep):
            self.wake(name)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and all that it has started."""
        with self._lock, contextlib.suppress(ProcessLookupError):
            os.killpg(self._stack.running[name].pid, number)

    def send_to_leader(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process alone."""
        with self._lock, contextlib.suppress(ProcessLookupError):
            os.kill(self._stack.running[name].pid, number)

    def suspend(self, name: str) -> None:
        """Let a process fall asleep in whatever it is doing."""
        with self._lock:
            self.send(name, signal.SIGSTOP)
            self._asleep.add(name)
            self.deaths.append(Death(name, time.time(), "stopped"))

    def wake(self, name: str) -> None:
        """Let it go on."""
        with self._lock:
            self._asleep.discard(name)
            self.send(name, signal.SIGCONT)

    def slept(self, pid: int) -> str:
        """Note that a process has fallen asleep by itself; return its name, or nothing."""
        with self._lock, contextlib.suppress(ProcessLookupError):
            group = os.getpgid(pid)
            for name, process in self._stack.running.items():
                if process.pid == group:
                    self._asleep.add(name)
                    self.deaths.append(Death(name, time.time(), "stopped"))
                    return name
        return ""

    def _look_at(self, name: str) -> None:
        process = self._stack.running[name]
        if process.poll() is None:
            return
        if name not in {death.name for death in self.deaths if death.at > self._born[name]}:
            self.deaths.append(Death(name, time.time(), f"status {process.returncode}"))
        if time.time() - self._born[name] < PAUSE_SECONDS:
            return
        self._asleep.discard(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what a pool has left behind
        self._stack.forget(name)
        self._stack.start(name)
        self._born[name] = self.last_start = time.time()
