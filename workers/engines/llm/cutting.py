"""Ends the waiting of one reader from another thread, at any point: connecting, asking, reading."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pipelines.core.errors import JobCancelled


class Cutter:
    """The scissors for one stream; `cut` may be called from any thread, before or after its end."""

    def __init__(self) -> None:
        """Begin with nothing to cut."""
        self.was_cut = False
        self._network: Any = None
        self._lock = threading.Lock()

    def cut(self) -> None:
        """End the connection under the reader, who sees JobCancelled; tell the provider nothing."""
        with self._lock:
            self.was_cut = True
            _end(self._network)

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Take hold of the connection on which this thread sends its request inside the block.

        Raises:
            JobCancelled: It was cut before it began.
        """
        if self.was_cut:
            raise JobCancelled
        _here.cutter = self
        try:
            yield
        finally:
            _here.cutter = None

    def take(self, network: Any) -> None:
        """Note the connection in use."""
        with self._lock:
            self._network = network
            if self.was_cut:
                _end(network)

    def let_go(self) -> None:
        """Forget the connection, which may serve another request from now on."""
        with self._lock:
            self._network = None


class _Here(threading.local):
    """Whose request this thread is sending."""

    cutter: Cutter | None = None


_here = _Here()


def watch(client: Any) -> None:
    """Let cutters find the connections of an HTTP client.

    The package gives a connection away only with the head of an answer, and a provider that hangs
    may never send one. So the part that opens connections is wrapped, in each pool.
    """
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - see above
        pool = getattr(transport, "_pool", None)
        if pool is not None:
            pool._network_backend = _Backend(pool._network_backend)  # noqa: SLF001 - see above


def _end(network: Any) -> None:
    line = network.get_extra_info("socket") if network is not None else None
    if isinstance(line, socket.socket):
        with suppress(OSError):
            # By the base class, since a TLS socket's own shutdown is not for other threads.
            socket.socket.shutdown(line, socket.SHUT_RDWR)


class _Backend:
    """Opens connections as the wrapped one does."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def connect_tcp(self, *args: Any, **kwargs: Any) -> _Network:
        return _Network(self._inner.connect_tcp(*args, **kwargs))

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> _Network:
        return _Network(self._inner.connect_unix_socket(*args, **kwargs))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Network:
    """A connection that tells the cutter of whoever writes a request on it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if _here.cutter is not None:
            _here.cutter.take(self._inner)
        self._inner.write(buffer, timeout)

    def start_tls(self, *args: Any, **kwargs: Any) -> _Network:
        if _here.cutter is not None:
            _here.cutter.take(self._inner)
        return _Network(self._inner.start_tls(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
