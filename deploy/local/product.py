"""A running product to try things with: the one that runs with this home, or one just for now."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from deploy.local import ports
from deploy.local.errors import RunnerError
from deploy.local.guard import Guard
from deploy.local.home import holder
from deploy.local.plan import Plan
from deploy.local.readiness import Readiness
from deploy.local.terminal import Style, Terminal

_PATIENCE: Final = 600.0  # seconds


@contextmanager
def running_product(plan: Plan, terminal: Terminal) -> Iterator[str]:
    """Yield the address of a product that is ready; one that was started here is ended, too.

    Raises:
        RunnerError: It does not become ready.
    """
    runner = holder(plan.home)
    if runner:
        terminal.step(f"Turnpike runs already, at {runner.address}")
        _wait(runner.address, plan, terminal)
        yield runner.address
        return
    port = plan.port if ports.is_free(plan.port) else ports.free_port()
    with _started(plan, port, terminal):
        yield f"http://{ports.HOST}:{port}"


def _wait(address: str, plan: Plan, terminal: Terminal) -> None:
    readiness = Readiness(address, plan.home)
    until = time.monotonic() + _PATIENCE
    said: list[str] = []
    while missing := readiness.missing():
        if missing != said:
            said = missing
            terminal.step(f"Waiting for {', '.join(missing)}", Style.QUIET)
        if time.monotonic() > until:
            raise RunnerError(f"It is not ready: {', '.join(missing)}.")
        time.sleep(0.5)


@contextmanager
def _started(plan: Plan, port: int, terminal: Terminal) -> Iterator[None]:
    environment = {**plan.environment, "PORT": str(port), "SANDBOX_PORT": str(ports.free_port())}
    guard = Guard()
    runner = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "--brief"],
        cwd=plan.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    guard.add(runner.pid)
    echo = _Echo(runner, terminal)
    try:
        if not echo.ready.wait(_PATIENCE) or not echo.is_ready:
            raise RunnerError("It did not start; the lines above say why.")
        yield
    finally:
        if runner.poll() is None:
            os.kill(runner.pid, signal.SIGTERM)
        runner.wait()
        echo.join()
        guard.remove(runner.pid)
        guard.close()


class _Echo(threading.Thread):
    """Shows what the runner says, and notices when it says that all is ready."""

    def __init__(self, runner: subprocess.Popen[str], terminal: Terminal) -> None:
        super().__init__(name="echo", daemon=True)
        self.ready = threading.Event()  # or ended before
        self.is_ready = False
        self._runner = runner
        self._terminal = terminal
        self.start()

    def run(self) -> None:
        assert self._runner.stdout is not None
        for line in self._runner.stdout:
            self._terminal.line(line.rstrip("\n"), Style.QUIET)
            if "Turnpike is ready" in line:
                self.is_ready = True
                self.ready.set()
        self.ready.set()
