"""The limits of one delivery, and a connection that keeps to them whatever the other side does."""

from __future__ import annotations

import ssl
import time
from typing import Any

import httpcore2

# One system call may wait its whole time-out, so that many small ones outlast any limit.
_PIECE = 16 * 1024


class Bounds:
    """How long one delivery may take, and how much may come back."""

    def __init__(self, *, seconds: float, bytes_in: int) -> None:
        """Start the clock: `seconds` for everything, `bytes_in` for head, framing and body."""
        self._deadline = time.monotonic() + seconds
        self._bytes_left = bytes_in

    def left(self, timeout: float | None, exceeded: type[Exception]) -> float:
        """Return the seconds that one operation may take; raise `exceeded` when none is left."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise exceeded
        return seconds if timeout is None else min(seconds, timeout)

    def take(self, size: int) -> None:
        """Count bytes that came in; RemoteProtocolError when they were too many."""
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise httpcore2.RemoteProtocolError


class BoundedStream(httpcore2.NetworkStream):
    """A connection whose every operation ends with the delivery's time."""

    def __init__(self, inner: httpcore2.NetworkStream, bounds: Bounds) -> None:
        """Wrap a connection that was just made."""
        self._inner = inner
        self._bounds = bounds

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return up to `max_bytes`, none at the end; ReadTimeout, ReadError, or as `take`."""
        left = self._bounds.left(timeout, httpcore2.ReadTimeout)
        data = self._inner.read(max_bytes, left)
        self._bounds.take(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it; WriteTimeout or WriteError."""
        for start in range(0, len(buffer), _PIECE):
            left = self._bounds.left(timeout, httpcore2.WriteTimeout)
            self._inner.write(buffer[start : start + _PIECE], left)

    def close(self) -> None:
        """Close without a word."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        """Shake hands with the host of that name; ConnectTimeout or ConnectError."""
        try:
            left = self._bounds.left(timeout, httpcore2.ConnectTimeout)
        except httpcore2.ConnectTimeout:
            self.close()
            raise
        return BoundedStream(
            self._inner.start_tls(ssl_context, server_hostname, left), self._bounds
        )

    def get_extra_info(self, info: str) -> Any:
        """Whatever the connection below knows."""
        return self._inner.get_extra_info(info)
