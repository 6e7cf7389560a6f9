"""The sandbox model as a real process on a free port, for tests that need a provider."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

_ROOT = Path(__file__).parents[1]
_STOP_SECONDS = 5.0
# A proxy from the environment must not stand between a test and this machine.
_opener = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class SandboxServer:
    """A running sandbox.

    Attributes:
        base_url: What an OpenAI client takes as its base URL; ends in `/v1`.
        process: The server's process.
    """

    base_url: str
    process: subprocess.Popen[str]

    def stats(self) -> dict[str, Any]:
        """Read the counts; `jobs` maps a job's id to its generations."""
        statistics: dict[str, Any] = self._call("GET", "/sandbox/stats")
        return statistics

    def timeline(self) -> list[tuple[float, str, str]]:
        """Read what happened when: (seconds since the epoch, what, the job's id)."""
        return [(at, what, job) for at, what, job in self._call("GET", "/sandbox/timeline")]

    def reset(self) -> None:
        """Make the sandbox forget all."""
        self._call("POST", "/sandbox/reset")

    def _call(self, method: str, path: str) -> Any:
        url = self.base_url.removesuffix("/v1") + path
        with _opener.open(Request(url, method=method), timeout=5) as answer:
            return json.load(answer)


@contextmanager
def sandbox_server(*arguments: str) -> Iterator[SandboxServer]:
    """Start a sandbox on a port that the system chooses, and stop it at the end.

    Args:
        arguments: More of its command line, such as `--latency=0.2`.
    """
    command = [sys.executable, "-m", "deploy.local.sandbox", "--port=0", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    with subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield SandboxServer(_address(process), process)
        finally:
            _stop(process)


def _address(process: subprocess.Popen[str]) -> str:
    """Read the one line that the sandbox prints once it listens."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if "http://" not in line:
        raise RuntimeError("the sandbox did not start")
    return line.split()[-1]


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
