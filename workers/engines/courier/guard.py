"""Connections to public addresses only, checked at the moment of connecting.

A name is looked up once for each connection, and what was checked is what is connected to: a name
server that changes its mind in between (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from concurrent.futures import Future
from threading import Thread

import httpcore2

from workers.engines.courier.public import is_public
from workers.engines.courier.stream import BoundedStream, Bounds
from workers.engines.courier.types import ForbiddenAddress

# Enough for both families; more would let one name make us knock at a hundred doors.
_TRIED = 4


class GuardedBackend(httpcore2.NetworkBackend):
    """Connects to public addresses only, for one delivery."""

    def __init__(self, bounds: Bounds, *, allow_private: bool) -> None:
        """Take the limits of the delivery; `allow_private` switches the check off."""
        self._bounds = bounds
        self._allow_private = allow_private
        self._inner = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Look the host up, check all that was found, and try the addresses in turn.

        Raises:
            ForbiddenAddress: One of them is not public: whoever mixes them means no good.
            httpcore2.ConnectError: The host is not known, or no address took the connection.
            httpcore2.ConnectTimeout: It took more than `timeout` seconds.
        """
        deadline = time.monotonic() + self._bounds.left(timeout, httpcore2.ConnectTimeout)
        addresses = addresses_of(host, port, timeout=deadline - time.monotonic())
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise ForbiddenAddress("The endpoint's host leads to an address that is not public.")
        failure: Exception = httpcore2.ConnectError()
        tried = addresses[:_TRIED]
        for number, address in enumerate(tried):
            # A silent first address must leave the others their time.
            share = (deadline - time.monotonic()) / (len(tried) - number)
            if share <= 0:
                raise httpcore2.ConnectTimeout
            try:
                stream = self._inner.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return BoundedStream(stream, self._bounds)
        raise failure

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Refuse: no URL leads here."""
        raise ForbiddenAddress


def addresses_of(host: str, port: int, *, timeout: float) -> list[str]:
    """Ask the system once for a host's addresses, in its order; a numeral of any spelling is one.

    Raises:
        ForbiddenAddress: The host cannot be a name.
        httpcore2.ConnectError: It is not known.
        httpcore2.ConnectTimeout: No answer within `timeout` seconds.
    """
    found: Future[list[str]] = Future()

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            found.set_exception(error)
        else:
            found.set_result(list(dict.fromkeys(str(answer[4][0]) for answer in answers)))

    # The look-up knows no time-out, so it is left behind; the resolver's own limit ends it.
    Thread(target=ask, name="courier-lookup", daemon=True).start()
    try:
        return found.result(timeout)
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout from error
    except OSError as error:
        raise httpcore2.ConnectError from error
    except ValueError as error:
        raise ForbiddenAddress("The endpoint's host cannot be a name.") from error
