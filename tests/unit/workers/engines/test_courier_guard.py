"""Which addresses a delivery may go to, however they are written and whoever names them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpcore2
import pytest

from tests.unit.workers.engines.courier_servers import BODY, NO_CONTENT, answering, servers
from workers.engines.courier import CourierConfig, ForbiddenAddress, Parcel, Unreachable, courier
from workers.engines.courier.guard import GuardedBackend
from workers.engines.courier.public import is_public
from workers.engines.courier.stream import Bounds

CONFIG = CourierConfig(connect_timeout=4.0, read_timeout=4.0, total_timeout=8.0, allow_http=True)
OPEN = CourierConfig(4.0, 4.0, 8.0, allow_http=True, allow_private=True)
PUBLIC = "93.184.216.34"

Names = Callable[[list[list[str]]], list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Let names lead to these addresses, the last answer for ever; return the names asked for."""
    ask = socket.getaddrinfo

    def install(answers: list[list[str]]) -> list[str]:
        asked: list[str] = []

        def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
            if not host.endswith(".example"):
                return list(ask(host, port, *args, **kwargs))
            asked.append(host)
            found = answers.pop(0) if len(answers) > 1 else answers[0]
            return [row for name in found for row in ask(name, port, *args, **kwargs)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return install


@pytest.fixture
def knocks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """Take note of each address that would be connected to, and its seconds; none answers."""
    seen: list[tuple[str, float]] = []

    def connect_tcp(_: object, host: str, port: int, timeout: float, *__: object) -> None:
        seen.append((host, timeout))
        raise httpcore2.ConnectTimeout

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", connect_tcp)
    return seen


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server on 127.0.0.1, which answers with 204."""
    with servers() as start:
        yield start(answering(NO_CONTENT))


def to(host: str, port: int = 8080) -> Parcel:
    return Parcel(url=f"http://{host}:{port}/", body=BODY, headers={})


@pytest.mark.parametrize(
    "address",
    [
        PUBLIC,
        "8.8.8.8",
        "2606:4700:4700::1111",
        "2a00:1450:4001:830::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ],
)
def test_these_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:8.8.8.8",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%1",
        "2606:4700:4700::1111%1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_these_are_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0X7F.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1。",
        "127。0。0。1",
        "①②⑦.⓪.⓪.①",
        "１２７.0.0.1",  # noqa: RUF001
        "0",
        "0.0.0.0",
        "localhost",
        "LocalHost.",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "2852039166",
    ],
)
def test_no_spelling_leads_inside(host: str, knocks: list[tuple[str, float]]) -> None:
    """Given an address that is not public, however it is written, nothing is connected to."""
    with pytest.raises(ForbiddenAddress) as caught:
        courier(CONFIG).deliver(to(host))
    assert str(caught.value) == "The endpoint's host leads to an address that is not public."
    assert knocks == []


def test_the_same_spelling_leads_there_where_it_may(port: int) -> None:
    assert courier(OPEN).deliver(to("0x7f.1", port)).status == 204


@pytest.mark.parametrize(
    "found",
    [
        [PUBLIC, "10.0.0.1"],
        ["::1", PUBLIC],
        [PUBLIC, "8.8.8.8", "1.1.1.1", "9.9.9.9", "169.254.169.254"],
    ],
)
def test_one_address_inside_forbids_them_all(
    names: Names, knocks: list[tuple[str, float]], found: list[str]
) -> None:
    """Given a name with public addresses and one that is not, none of them is connected to."""
    names([found])
    with pytest.raises(ForbiddenAddress):
        courier(CONFIG).deliver(to("hooks.example"))
    assert knocks == []


def test_a_name_that_changes_its_mind_changes_nothing(
    names: Names, knocks: list[tuple[str, float]]
) -> None:
    """Given a name server that says public first and private then, it is asked once a delivery."""
    asked = names([[PUBLIC], ["127.0.0.1"]])
    with pytest.raises(Unreachable):
        courier(CONFIG).deliver(to("hooks.example"))
    assert asked == ["hooks.example"]
    assert [host for host, _ in knocks] == [PUBLIC]
    with pytest.raises(ForbiddenAddress):
        courier(CONFIG).deliver(to("hooks.example"))
    assert asked == ["hooks.example"] * 2
    assert [host for host, _ in knocks] == [PUBLIC]


def test_an_international_name_is_asked_for_in_ascii(
    names: Names, knocks: list[tuple[str, float]]
) -> None:
    asked = names([[PUBLIC]])
    with pytest.raises(Unreachable):
        courier(CONFIG).deliver(to("Bücher.example"))
    assert asked == ["xn--bcher-kva.example"]


def test_an_address_that_does_not_answer_gives_way_to_the_next(names: Names, port: int) -> None:
    """Given a server that listens on one of its name's two addresses, it is reached."""
    names([["::1", "127.0.0.1"]])
    assert courier(OPEN).deliver(to("hooks.example", port)).status == 204


def test_the_addresses_share_the_time_and_not_all_are_tried(
    names: Names, knocks: list[tuple[str, float]]
) -> None:
    """Given six addresses, four are tried, each with an equal part of what is left."""
    names([[f"8.8.8.{last}" for last in range(1, 7)]])
    with pytest.raises(Unreachable, match="in time"):
        courier(CONFIG).deliver(to("hooks.example"))
    assert [host for host, _ in knocks] == ["8.8.8.1", "8.8.8.2", "8.8.8.3", "8.8.8.4"]
    # No time passes here, so that the later ones get what the earlier ones did not use.
    assert [share for _, share in knocks] == pytest.approx([1.0, 4 / 3, 2.0, 4.0], rel=0.2)


def test_a_socket_in_the_file_system_is_refused() -> None:
    backend = GuardedBackend(Bounds(seconds=1.0, bytes_in=1), allow_private=True)
    with pytest.raises(ForbiddenAddress):
        backend.connect_unix_socket("/run/docker.sock")
