"""Deliveries to servers that are slow, broken, hostile or not there."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import replace
from threading import Event

import pytest

from pipelines.core.errors import TransientError
from tests.unit.workers.engines.courier_servers import (
    CONFIG,
    DRIP,
    Serve,
    Talk,
    answering,
    deliver,
    parcel,
    received,
    repeating,
    silent,
)
from workers.engines.courier import CourierConfig, Unreachable, courier


def reset(connection: socket.socket) -> None:
    """Close as a crash would."""
    received(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


OK = b"HTTP/1.1 200 OK\r\n"
SLOW: dict[str, Talk] = {
    "says nothing": silent,
    "drips its status line": repeating(b"", b"H", DRIP),
    "drips its headers": repeating(OK, b"X", DRIP),
    "drips its body": repeating(OK + b"\r\n", b"x", DRIP),
    "informs for ever": repeating(b"", b"HTTP/1.1 102 Working\r\n\r\n", DRIP),
}


@pytest.mark.parametrize("talk", SLOW.values(), ids=SLOW.keys())
def test_the_total_time_ends_a_slow_server(serve: Serve, talk: Talk) -> None:
    """Given a server that never lets a read time out, the delivery still ends when it should."""
    port, began = serve(talk), time.monotonic()
    with pytest.raises(Unreachable, match=r"^The endpoint did not answer in time\.$"):
        deliver(port, replace(CONFIG, total_timeout=0.4))
    assert 0.4 <= time.monotonic() - began < 5


def test_the_read_time_ends_a_silent_server(serve: Serve) -> None:
    port, began = serve(silent), time.monotonic()
    with pytest.raises(Unreachable, match="in time"):
        deliver(port, replace(CONFIG, read_timeout=0.2))
    assert time.monotonic() - began < 5


def test_the_total_time_ends_a_server_that_does_not_read(serve: Serve) -> None:
    port, began = serve(silent), time.monotonic()
    big = parcel(port, body=b"x" * 32_000_000)
    with pytest.raises(Unreachable, match="in time"):
        courier(replace(CONFIG, total_timeout=0.4)).deliver(big)
    assert time.monotonic() - began < 5


def test_an_answer_before_the_end_of_the_request_counts(serve: Serve) -> None:
    """Given a server that refuses a body at its first bytes, its refusal is the answer."""

    def talk(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1_000_000):
            pass

    big = parcel(serve(talk), body=b"x" * 8_000_000)
    assert courier(CONFIG).deliver(big).status == 413


BROKEN: dict[str, Talk] = {
    "closes without a word": answering(),
    "answers in another protocol": answering(b"220 mail.example ESMTP\r\n"),
    "sends a status that is none": answering(b"HTTP/1.1 abc OK\r\n\r\n"),
    "breaks off in its headers": answering(OK, b"X-A: b\r\n"),
    "breaks off in its body": answering(OK, b"Content-Length: 9\r\n\r\nabc"),
    "sends a chunk of no size": answering(OK, b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
    "sends a header for ever": repeating(OK + b"X: ", b"x" * 65536),
    "sends headers for ever": repeating(OK, b"X: x\r\n" * 10_000),
    "informs without a pause": repeating(b"", b"HTTP/1.1 103 Hints\r\nX: x\r\n\r\n" * 1000),
}


@pytest.mark.parametrize("talk", BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_that_is_none_may_be_a_better_one_later(serve: Serve, talk: Talk) -> None:
    port = serve(talk)
    with pytest.raises(Unreachable, match=r"^The endpoint's answer broke off, or is not HTTP\.$"):
        deliver(port)


def test_a_reset_connection_may_hold_later(serve: Serve) -> None:
    port = serve(reset)
    with pytest.raises(Unreachable, match=r"^The connection to the endpoint broke\.$"):
        deliver(port)


def test_a_refused_connection_may_be_taken_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        deliver(port)
    assert isinstance(caught.value, TransientError)
    assert caught.value.error_code == "endpoint_unreachable"
    assert str(caught.value) == "The endpoint cannot be connected to."


def test_an_unknown_host_may_be_known_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match=r"^The endpoint's host name cannot be resolved\.$"):
        courier(CONFIG).deliver(parcel(443, host="hooks.example"))


@pytest.mark.parametrize(
    "config", [replace(CONFIG, connect_timeout=0.2), replace(CONFIG, total_timeout=0.2)]
)
def test_a_name_server_that_does_not_answer_holds_nobody(
    monkeypatch: pytest.MonkeyPatch, config: CourierConfig
) -> None:
    """Given a look-up that hangs, it is left behind after the time for it."""
    released = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(10) and [])
    with pytest.raises(Unreachable, match="in time"):
        courier(config).deliver(parcel(443, host="hooks.example"))
    released.set()
