"""Servers on this machine that talk as a test says, and the deliveries to them."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from workers.engines.courier import Answer, CourierConfig, Parcel, courier

CONFIG = CourierConfig(
    connect_timeout=5.0,
    read_timeout=5.0,
    total_timeout=10.0,
    allow_http=True,
    allow_private=True,
    user_agent="Turnpike-Test/1",
)
BODY = b'{"type":"job.completed"}'
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
DRIP = 0.05  # seconds between two bytes

Talk = Callable[[socket.socket], None]
Serve = Callable[[Talk], int]


@contextmanager
def servers() -> Iterator[Serve]:
    """Give what starts a server and returns its port; they all end with the block."""
    running: list[tuple[socket.socket, Thread]] = []

    def start(talk: Talk) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        thread = Thread(target=_accept, args=(listener, talk))
        thread.start()
        running.append((listener, thread))
        return int(listener.getsockname()[1])

    try:
        yield start
    finally:
        for listener, thread in running:
            listener.shutdown(socket.SHUT_RDWR)  # ends the thread's `accept`
            thread.join(10)
            listener.close()
    assert not [thread for _, thread in running if thread.is_alive()]


def _accept(listener: socket.socket, talk: Talk) -> None:
    with suppress(OSError):
        while True:
            connection = listener.accept()[0]
            with connection, suppress(OSError):
                connection.settimeout(10)
                talk(connection)


def received(connection: socket.socket) -> bytes:
    """Read one request whole."""
    data = b""
    while not data.endswith(BODY):
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    return data


def answering(*pieces: bytes) -> Talk:
    """Read the request, send these, and close."""

    def talk(connection: socket.socket) -> None:
        received(connection)
        for piece in pieces:
            connection.sendall(piece)

    return talk


def repeating(start: bytes, piece: bytes, pause: float = 0.0) -> Talk:
    """Read the request, and send the same for ever."""

    def talk(connection: socket.socket) -> None:
        received(connection)
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(pause)

    return talk


def silent(connection: socket.socket) -> None:
    """Take nothing and say nothing until the other side leaves."""
    waiting = select.poll()
    waiting.register(connection, select.POLLRDHUP)
    waiting.poll(2000)


def parcel(
    port: int, *, scheme: str = "http", host: str = "127.0.0.1", body: bytes = BODY
) -> Parcel:
    return Parcel(url=f"{scheme}://{host}:{port}/hook/s3cret", body=body, headers={})


def deliver(port: int, config: CourierConfig = CONFIG) -> Answer:
    return courier(config).deliver(parcel(port))
