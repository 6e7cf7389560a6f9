"""Webhooks over HTTP/1.1, one connection a delivery.

Connections are not kept: the next delivery goes to another host, or minutes later to one whose
addresses must be checked again, and an idle connection that was cut leaves a delivery uncertain.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from socket import gaierror

import httpcore2

from workers.engines.courier.guard import GuardedBackend
from workers.engines.courier.request import build
from workers.engines.courier.stream import Bounds
from workers.engines.courier.types import Answer, CourierConfig, Parcel, Unreachable

_DAY = 86_400.0
# Bytes for the answer's head and framing: what no honest answer needs, and no memory minds.
_OVERHEAD = 256 * 1024


class HttpCourier:
    """Delivers to whoever answers at the URL; several threads may share it."""

    def __init__(self, config: CourierConfig) -> None:
        """Keep the settings; nothing is loaded or looked up yet."""
        self._config = config

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The system's trusted authorities, or those of SSL_CERT_FILE; loaded once."""
        return httpcore2.default_ssl_context()

    def deliver(self, parcel: Parcel) -> Answer:
        """POST once; see `Courier.deliver`."""
        config = self._config
        request = build(parcel, config)
        began = time.monotonic()
        bounds = Bounds(seconds=config.total_timeout, bytes_in=config.answer_limit + _OVERHEAD)
        backend = GuardedBackend(bounds, allow_private=config.allow_private)
        with (
            _named_errors(),
            httpcore2.HTTPConnection(
                request.url.origin, ssl_context=self._tls, network_backend=backend
            ) as connection,
        ):
            response = connection.handle_request(request)
            body = _beginning(response, config.answer_limit)
        return Answer(
            status=response.status,
            body=body.decode("utf-8", errors="replace").replace("\0", ""),
            seconds=time.monotonic() - began,
            retry_after=_retry_after(response),
        )


def _beginning(response: httpcore2.Response, limit: int) -> bytes:
    pieces, kept = response.iter_stream(), b""
    while len(kept) < limit and (piece := next(pieces, None)) is not None:
        kept += piece
    return kept[:limit]


@contextmanager
def _named_errors() -> Iterator[None]:
    """Turn the library's errors into ours, in words of ours: theirs may quote the endpoint's."""
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise Unreachable("The endpoint did not answer in time.") from error
    except httpcore2.RemoteProtocolError as error:
        raise Unreachable("The endpoint's answer broke off, or is not HTTP.") from error
    except httpcore2.ConnectError as error:
        raise Unreachable(_why_not_connected(error.__cause__)) from error
    except httpcore2.NetworkError as error:
        raise Unreachable("The connection to the endpoint broke.") from error


def _why_not_connected(cause: BaseException | None) -> str:
    if isinstance(cause, gaierror):
        return "The endpoint's host name cannot be resolved."
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "The endpoint's certificate is not valid for its host, or not trusted."
    if isinstance(cause, ssl.SSLError):
        return "The endpoint does not speak TLS as it should."
    return "The endpoint cannot be connected to."


def _retry_after(response: httpcore2.Response) -> float | None:
    """Return the header's seconds or its date's distance, between none and a day."""
    named = (value for name, value in response.headers if name.lower() == b"retry-after")
    value = next(named, b"").decode("latin-1").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), _DAY)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), _DAY)
