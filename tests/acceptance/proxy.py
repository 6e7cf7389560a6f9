"""A TCP proxy that a test puts between a process and its broker or database, to spoil the line."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

_HOST = "127.0.0.1"
_PIECE = 65_536


class _Link:
    """One connection through the proxy; bytes pass while its gate is open."""

    def __init__(self, *, is_open: bool) -> None:
        self.gate = asyncio.Event()
        if is_open:
            self.gate.set()
        self.writers: list[asyncio.StreamWriter] = []

    def cut(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


class Proxy:
    """Forwards to a target until told otherwise; its methods may be called from any thread.

    No byte of a connection is ever lost: as on a real line, what was held back arrives when the
    line is mended, and an end that hangs up meanwhile is not noticed by the other.

    Attributes:
        port: Where it listens, on 127.0.0.1.
    """

    def __init__(self, target_host: str, target_port: int) -> None:
        """Reserve a port; nothing listens yet."""
        self._target = (target_host, target_port)
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._links: dict[_Link, asyncio.Task[None]] = {}
        self._admits = True
        self._delay = 0.0
        # Bound and never listened on: keeps the port while connections are refused.
        self._reserved = _bound(0)
        self.port = int(self._reserved.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many connections there are just now."""
        return len(self._links)

    def forward(self) -> None:
        """Pass everything on again, what was held back first; accept connections again."""
        self._call(self._forward())

    def blackhole(self, *, established_only: bool = False) -> None:
        """Pass nothing on, and hang up on nobody; new connections fare so, too, unless excepted."""
        self._call(self._hold(admits=established_only))

    def refuse(self) -> None:
        """Refuse new connections; those that there are go on."""
        self._call(self._stop_listening())

    def cut(self) -> None:
        """Close all present connections; new ones fare as before."""
        self._call(self._cut())

    def delay(self, seconds: float) -> None:
        """Pass each piece on only after so many seconds; 0 ends it."""
        self._delay = seconds

    def close(self) -> None:
        """Hang up on everybody and end the thread."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._reserved.close()

    def run(self) -> None:
        """Serve until `close`; the body of the proxy's thread."""
        self._loop.run_forever()
        self._loop.close()

    def _call(self, act: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(act, self._loop).result(timeout=10)

    async def _forward(self) -> None:
        self._admits = True
        for link in self._links:
            link.gate.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, sock=_bound(self.port))

    async def _hold(self, *, admits: bool) -> None:
        self._admits = admits
        for link in self._links:
            link.gate.clear()

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _cut(self) -> None:
        for link in self._links:
            link.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(is_open=self._admits)
        task = asyncio.current_task()
        assert task is not None  # a server's callback runs in one
        self._links[link] = task
        link.writers.append(writer)
        try:
            await link.gate.wait()
            there, back = await asyncio.open_connection(*self._target)
            link.writers.append(back)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(link, reader, back))
                both.create_task(self._pump(link, there, writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # the other end is gone, or the proxy ends: so does the connection
        finally:
            del self._links[link]
            for end in link.writers:
                end.transport.abort()

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while piece := await reader.read(_PIECE):
            await asyncio.sleep(self._delay)
            await link.gate.wait()
            writer.write(piece)
            await writer.drain()
        await link.gate.wait()
        if writer.can_write_eof():
            writer.write_eof()

    async def _end(self) -> None:
        await self._stop_listening()
        tasks = list(self._links.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports close their sockets in the next round


def _bound(port: int) -> socket.socket:
    """Bind a port that a second socket of ours may bind, too."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((_HOST, port))
    return made


@contextmanager
def tcp_proxy(target_host: str, target_port: int) -> Iterator[Proxy]:
    """Run a proxy in a thread of its own; it forwards at first."""
    proxy = Proxy(target_host, target_port)
    thread = threading.Thread(target=proxy.run, name="proxy", daemon=True)
    thread.start()
    try:
        proxy.forward()
        yield proxy
    finally:
        proxy.close()
        thread.join(10)
