"""What a delivery sends, what comes back, and what is refused before anything is sent."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pipelines.core.errors import InvalidInput, PermanentError
from tests.unit.workers.engines.courier_servers import (
    BODY,
    CONFIG,
    NO_CONTENT,
    Serve,
    answering,
    deliver,
    parcel,
    received,
    repeating,
    silent,
)
from workers.engines.courier import ForbiddenAddress, Parcel, courier


def test_a_parcel_arrives_as_it_was_signed(serve: Serve) -> None:
    """Given a URL with a query and a fragment, the receiver gets exactly this request."""
    requests: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        requests.append(received(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine!")

    port = serve(talk)
    answer = courier(CONFIG).deliver(
        Parcel(
            url=f"http://127.0.0.1:{port}/höok%20/?a=1&b=%2F|#part",
            body=BODY,
            headers={"Content-Type": "application/json", "webhook-signature": "v1,abc v1,d="},
        )
    )
    assert (answer.status, answer.body, answer.retry_after) == (200, "fine!", None)
    assert 0 < answer.seconds < 5
    assert requests == [
        b"POST /h%C3%B6ok%20/?a=1&b=%2F%7C HTTP/1.1\r\n"
        b"Host: 127.0.0.1:" + str(port).encode() + b"\r\n"
        b"Content-Type: application/json\r\n"
        b"webhook-signature: v1,abc v1,d=\r\n"
        b"User-Agent: Turnpike-Test/1\r\n"
        b"Accept: */*\r\n"
        b"Accept-Encoding: identity\r\n"
        b"Content-Length: 24\r\n"
        b"Connection: close\r\n\r\n" + BODY
    ]


@pytest.mark.parametrize("status", [200, 204, 304, 410, 429, 500, 503])
def test_every_status_is_an_answer(serve: Serve, status: int) -> None:
    port = serve(answering(f"HTTP/1.1 {status} Whatever\r\n\r\n".encode()))
    answer = deliver(port)
    assert (answer.status, answer.body) == (status, "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(serve: Serve, status: int) -> None:
    """Given a redirect to another server, its status is the answer and the other is left alone."""
    visits: list[bytes] = []
    other = serve(lambda connection: visits.append(received(connection)))
    location = f"Location: http://127.0.0.1:{other}/".encode()
    port = serve(answering(f"HTTP/1.1 {status} Moved\r\n".encode(), location, b"\r\n\r\n"))
    assert deliver(port).status == status
    assert visits == []


@pytest.mark.parametrize("limit", [0, 3])
def test_of_the_body_only_the_first_bytes_are_kept(serve: Serve, limit: int) -> None:
    port = serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc", b"def"))
    assert deliver(port, replace(CONFIG, answer_limit=limit)).body == "abc"[:limit]


def test_an_odd_body_becomes_text_that_a_database_takes(serve: Serve) -> None:
    """Given NULs, bytes that are no UTF-8 and a claim of gzip, nothing is unpacked or refused."""
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\n"
    port = serve(answering(head, b"a\0\xff\xc3\xa9\0b"))
    assert deliver(port).body == "a\ufffdéb"


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 500 Oh\r\n\r\n", b"x" * 4096),
        (b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nxxxx\r\n"),
    ],
    ids=["until-closed", "chunked"],
)
def test_an_endless_body_is_cut(serve: Serve, head: bytes, piece: bytes) -> None:
    answer = deliver(serve(repeating(head, piece)))
    assert (answer.status, answer.body) == (500, "x" * 1024)
    assert answer.seconds < 5


def _date(**delta: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(**delta), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("86401", 86_400.0),
        ("9" * 5000, 86_400.0),
        ("-5", None),
        ("1e3", None),
        ("²", None),
        ("soon", None),
        ("", None),
        ("Mon, 99999999999999999999 Jan 2024 00:00:00 GMT", None),
        pytest.param(_date(days=9), 86_400.0, id="in nine days"),
        ("Sun Nov  6 08:49:37 1994", 0.0),
        pytest.param(_date(hours=-1), 0.0, id="an hour ago"),
    ],
)
def test_retry_after_is_read_in_all_its_forms(
    serve: Serve, value: str, seconds: float | None
) -> None:
    head = f"HTTP/1.1 503 Later\r\nRETRY-after: {value}\r\n\r\n"
    assert deliver(serve(answering(head.encode()))).retry_after == seconds


def test_a_date_to_come_is_as_many_seconds_away(serve: Serve) -> None:
    head = f"HTTP/1.1 429 Later\r\nRetry-After: {_date(hours=1)}\r\n\r\n"
    wait = deliver(serve(answering(head.encode()))).retry_after
    assert wait == pytest.approx(3600, abs=30)


def test_no_proxy_of_the_environment_is_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert deliver(serve(answering(NO_CONTENT))).status == 204


@pytest.mark.parametrize(
    "url",
    [
        "https://ada:s3cret@hooks.example/",
        "https://s3cret@hooks.example/",
        "https://@hooks.example/s3cret",
        "https://good.example\\@127.0.0.1/s3cret",
        "ftp://hooks.example/s3cret",
        "file:///s3cret",
        "//hooks.example/s3cret",
        "hooks.example/s3cret",
        "https:///s3cret",
        "https://hooks.example:0/s3cret",
        "https://hooks.example:22/s3cret",
        "https://hooks.example:25/s3cret",
        "https://hooks.example:1023/s3cret",
        "https://hooks.example:65536/s3cret",
        "https://hooks.example:abc/s3cret",
        "https://hooks.example/s3cret\r\nX: y",
        "https://hooks.example/s3 cret",
        " https://hooks.example/s3cret",
        "https://hooks.exa\tmple/s3cret",
        "https://hooks.example/s3cret\0",
        "https://hooks%2eexample/s3cret",
        "https://[fe80::1%25lo]/s3cret",
        "https://[::1/s3cret",
        "https://[s3cret]/",
        "https://hooks..example/s3cret",
        "https://.example/s3cret",
        "https://" + "a" * 64 + ".example/s3cret",
        "https://hooks.ex\u2100mple/s3cret",
        "https://hooks.example/s3cret\ud800",
        "",
    ],
)
def test_a_url_that_is_not_the_webs_is_forbidden(url: str) -> None:
    """Given such a URL, nothing is sent, even where private addresses are allowed."""
    with pytest.raises(ForbiddenAddress) as caught:
        courier(CONFIG).deliver(Parcel(url=url, body=BODY, headers={}))
    assert isinstance(caught.value, PermanentError)
    assert caught.value.error_code == "forbidden_address"
    assert "s3cret" not in str(caught.value)


def test_an_address_without_tls_must_be_allowed(serve: Serve) -> None:
    port = serve(silent)
    with pytest.raises(ForbiddenAddress, match="does not begin with https://"):
        deliver(port, replace(CONFIG, allow_http=False))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "b\r\nX-C: d"),
        ("X-A", "b\nX-C: d"),
        ("X-A", "b\r"),
        ("X-A", "b\0"),
        ("X-A", " b"),
        ("X-A", "é"),
        ("X-A\r\nX-C", "d"),
        ("X A", "b"),
        ("X-A:", "b"),
        ("", "b"),
        ("Host", "other.example"),
        ("content-LENGTH", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "keep-alive"),
    ],
)
def test_a_header_that_could_be_another_is_refused(serve: Serve, name: str, value: str) -> None:
    visits: list[bytes] = []
    port = serve(lambda connection: visits.append(received(connection)))
    with pytest.raises(InvalidInput) as caught:
        courier(CONFIG).deliver(replace(parcel(port), headers={name: value}))
    assert caught.value.field == "headers"
    assert visits == []


def test_a_parcel_in_a_log_shows_no_secret() -> None:
    sent = Parcel(url="https://hooks.example/s3cret", body=b"s3cret", headers={"X": "s3cret"})
    assert repr(sent) == "Parcel()"
