"""Keeps the product's processes running: starts them, restarts who dies, ends them in order."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from deploy.local.backoff import Backoff
from deploy.local.child import Child, describe_status
from deploy.local.ending import by_stage, end
from deploy.local.errors import RunnerError, StopRequested
from deploy.local.guard import Guard
from deploy.local.logs import Alarms, Tail, last_lines, rotate
from deploy.local.process import Process
from deploy.local.terminal import Style, Terminal

_PAUSE: Final = 0.1  # seconds
_SHOWN_OF_THE_DEAD: Final = 20  # lines
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class _Post:
    """A process that is to run, and how it fares."""

    process: Process
    log: Path
    tail: Tail
    child: Child | None = None
    backoff: Backoff = field(default_factory=Backoff)
    alarms: Alarms = field(default_factory=Alarms)
    start_at: float = 0.0  # on the monotonic clock


class Supervisor:
    """All processes of the product; everything happens in the caller's thread."""

    def __init__(
        self,
        *,
        root: Path,
        logs: Path,
        environment: Mapping[str, str],
        terminal: Terminal,
        show_all: bool = False,
    ) -> None:
        """Prepare to start processes.

        Args:
            root: Where they run.
            logs: The folder of their logs.
            environment: Their variables.
            terminal: Where their warnings go, each under its process's name.
            show_all: Show every line of theirs.
        """
        self._root = root
        self._logs = logs
        self._environment = environment
        self._terminal = terminal
        self._show_all = show_all
        self._posts: dict[str, _Post] = {}
        self._guard = Guard()
        self._stops = 0
        # Before the product was ready once, who cannot live keeps it from starting at all.
        self.was_ready = False

    def obey_signals(self) -> None:
        """End on Ctrl-C, SIGTERM and a closed terminal; a second one means at once."""
        for number in _STOP_SIGNALS:
            signal.signal(number, self._count_stop)

    def pids(self) -> dict[str, int]:
        """The process ids of those that run, by name."""
        return {name: post.child.pid for name, post in self._posts.items() if post.child}

    def start(self, process: Process) -> None:
        """Start a process and keep it running."""
        log = self._logs / f"{process.name}.log"
        rotate(log)
        self._posts[process.name] = post = _Post(process, log, Tail(log))
        self._spawn(post)

    def run_once(self, process: Process) -> None:
        """Run a process to its end; each line that it writes is a step of progress.

        Raises:
            RunnerError: It failed.
            StopRequested: A signal came.
        """
        log = self._logs / f"{process.name}.log"
        tail = Tail(log)
        child = self._child(process, log)
        try:
            while (status := child.ended()) is None:
                self._show_steps(tail)
                self.tick()
                time.sleep(_PAUSE)
        except BaseException:
            end([child], hurried=lambda: True, idle=lambda: None)
            raise
        self._show_steps(tail)
        if status:
            raise RunnerError(f"{process.name} {describe_status(status)}; its log is {log}")

    def wait_for(self, happened: Callable[[], bool], *, every: float = 0.25) -> None:
        """Watch over the processes until something has happened.

        Raises:
            RunnerError: A process cannot be kept running.
            StopRequested: A signal came.
        """
        due = 0.0
        while True:
            self.tick()
            if time.monotonic() >= due:
                if happened():
                    return
                due = time.monotonic() + every
            time.sleep(_PAUSE)

    def tick(self) -> None:
        """Look after every process once.

        Raises:
            RunnerError: A process cannot be kept running.
            StopRequested: A signal came.
        """
        if self._stops:
            raise StopRequested
        for post in self._posts.values():
            self._tend(post)

    def stop(self) -> None:
        """End all processes in their order; a further signal hurries them."""
        began = self._stops
        children = [post.child for post in self._posts.values() if post.child]
        for group in by_stage(children):
            names = ", ".join(child.process.name for child in group)
            self._terminal.step(f"Stopping {names}", Style.QUIET)
            end(group, hurried=lambda: self._stops > began, idle=self._show_logs)
        self._posts.clear()
        self._guard.close()

    def _count_stop(self, number: int, _: FrameType | None) -> None:
        self._stops += 1

    def _tend(self, post: _Post) -> None:
        self._show_log(post)
        if post.child is None:
            if time.monotonic() >= post.start_at:
                self._spawn(post)
            return
        status = post.child.ended()
        if status is not None:
            lived, post.child = post.child.age, None
            self._died(post, lived, describe_status(status))

    def _spawn(self, post: _Post) -> None:
        try:
            post.child = self._child(post.process, post.log)
        except OSError as error:
            self._died(post, 0.0, f"cannot be run ({error})")

    def _child(self, process: Process, log: Path) -> Child:
        return Child(
            process, log=log, root=self._root, environment=self._environment, guard=self._guard
        )

    def _died(self, post: _Post, lived: float, how: str) -> None:
        self._show_log(post)
        pause = post.backoff.died(lived)
        post.start_at = time.monotonic() + pause
        name, hopeless = post.process.name, post.backoff.hopeless
        if not hopeless:
            self._terminal.step(f"{name} {how}; starting it again in {pause:g} s", Style.WARN)
            return
        lines = "\n".join(f"    {line}" for line in last_lines(post.log, _SHOWN_OF_THE_DEAD))
        verdict = (
            f"{name} cannot be kept running: it {how}, "
            f"for the {post.backoff.quick_deaths}th time in a row.\n"
            f"The last lines of {post.log}:\n{lines}"
        )
        if not self.was_ready:
            raise RunnerError(verdict)
        # What was accepted waits in the database, so the others go on and this one is tried again.
        self._terminal.step(f"{verdict}\nStarting it again in {pause:g} s", Style.BAD)

    def _show_logs(self) -> None:
        for post in self._posts.values():
            self._show_log(post)

    def _show_log(self, post: _Post) -> None:
        for line in post.tail.lines():
            alarming = post.alarms.wants(line)
            if self._show_all or alarming:
                self._terminal.of(post.process.name, line, Style.WARN if alarming else Style.PLAIN)
        rotate(post.log)

    def _show_steps(self, tail: Tail) -> None:
        for line in tail.lines():
            if not line.startswith("---"):
                self._terminal.step(line)
