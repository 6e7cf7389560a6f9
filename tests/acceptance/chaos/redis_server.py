"""A Redis of our own, which can be restarted, emptied, frozen and filled up."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from deploy.local.broker import server_binary
from deploy.local.guard import Guard
from tests.acceptance.stack import free_port, until


class RedisServer:
    """A server that writes nothing to disk: a restart forgets everything."""

    def __init__(self, folder: Path, guard: Guard) -> None:
        """Prepare; `start` starts it."""
        self.port = free_port()
        self._folder = folder
        self._guard = guard
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        words = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        words += ["--maxmemory-policy", "noeviction", "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            [str(server_binary()), *words], stdout=subprocess.DEVNULL, start_new_session=True
        )
        self._guard.add(self._process.pid)
        until(self.is_up)

    def stop(self) -> None:
        """Kill it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._guard.remove(self._process.pid)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it: SIGSTOP freezes it, SIGCONT lets it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except RedisError:
            return False

    def client(self) -> Redis:
        """Connect to it directly."""
        return Redis(port=self.port, socket_timeout=5)


@contextmanager
def private_redis(folder: Path) -> Iterator[RedisServer]:
    """Run a server, and kill it at the end."""
    guard = Guard()
    server = RedisServer(folder, guard)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        guard.close()
