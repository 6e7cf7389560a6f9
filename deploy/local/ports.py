"""Ports of this machine's loopback address."""

from __future__ import annotations

import socket
import time
from typing import Final

HOST: Final = "127.0.0.1"


def is_free(port: int, *, patience: float = 0.0) -> bool:
    """Whether a server could listen on a port now, or within so many seconds."""
    until = time.monotonic() + patience
    while True:
        with socket.socket() as probe:
            # As servers do it, so that a port in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                if time.monotonic() >= until:
                    return False
                time.sleep(0.1)
            else:
                return True


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
