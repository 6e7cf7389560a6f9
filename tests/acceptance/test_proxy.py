"""The line that the other tests spoil does what they think it does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.acceptance.proxy import Proxy, tcp_proxy

_MOMENT = 0.3  # seconds in which a byte would have come


def _echo(server: socket.socket) -> None:
    with ExitStack() as ends:
        while True:
            try:
                end, _ = server.accept()
            except OSError:
                return  # closed by the fixture
            ends.enter_context(end)
            threading.Thread(target=_echo_one, args=(end,), daemon=True).start()


def _echo_one(end: socket.socket) -> None:
    try:
        while piece := end.recv(1024):
            end.sendall(piece)
        end.shutdown(socket.SHUT_WR)
    except OSError:
        return  # cut


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        with tcp_proxy("127.0.0.1", server.getsockname()[1]) as made:
            yield made
        server.shutdown(socket.SHUT_RDWR)


def _dial(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def _says(end: socket.socket, word: bytes) -> bytes:
    end.sendall(word)
    return end.recv(1024)


def _is_silent(end: socket.socket) -> bool:
    end.settimeout(_MOMENT)
    try:
        end.recv(1024)
    except TimeoutError:
        return True
    finally:
        end.settimeout(5)
    return False


def _is_hung_up(end: socket.socket) -> bool:
    try:
        return end.recv(1024) == b""
    except ConnectionError:
        return True


def test_it_forwards_both_ways_and_passes_an_end_on(proxy: Proxy) -> None:
    with _dial(proxy) as end:
        assert _says(end, b"a") == b"a"
        end.shutdown(socket.SHUT_WR)
        assert end.recv(1024) == b""


def test_a_black_hole_swallows_old_and_new_until_it_is_mended(proxy: Proxy) -> None:
    with _dial(proxy) as old:
        assert _says(old, b"a") == b"a"
        proxy.blackhole()
        with _dial(proxy) as new:
            old.sendall(b"b")
            new.sendall(b"c")
            assert _is_silent(old)
            assert _is_silent(new)
            proxy.forward()
            assert (old.recv(1024), new.recv(1024)) == (b"b", b"c")


def test_a_black_hole_may_leave_new_connections_alone(proxy: Proxy) -> None:
    with _dial(proxy) as old:
        assert _says(old, b"a") == b"a"
        proxy.blackhole(established_only=True)
        with _dial(proxy) as new:
            assert _says(new, b"b") == b"b"
        old.sendall(b"c")
        assert _is_silent(old)


def test_refusing_spares_who_is_connected_and_cutting_does_not(proxy: Proxy) -> None:
    with _dial(proxy) as old:
        assert _says(old, b"a") == b"a"
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            _dial(proxy)
        assert _says(old, b"b") == b"b"
        proxy.cut()
        assert _is_hung_up(old)
    proxy.forward()
    with _dial(proxy) as new:
        assert _says(new, b"d") == b"d"


def test_a_delay_holds_each_piece_back(proxy: Proxy) -> None:
    with _dial(proxy) as end:
        assert _says(end, b"a") == b"a"
        proxy.delay(3 * _MOMENT)
        end.sendall(b"b")
        assert _is_silent(end)
        assert end.recv(1024) == b"b"
