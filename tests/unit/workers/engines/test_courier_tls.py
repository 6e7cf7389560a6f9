"""Deliveries over TLS: it is the host that is asked for and checked, not the address."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.workers.engines.courier_servers import (
    CONFIG,
    NO_CONTENT,
    Serve,
    answering,
    parcel,
    silent,
)
from workers.engines.courier import Unreachable, courier


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-made certificate, with its key, for hooks.example."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", path.with_name("key.pem"), "-out", path.with_name("cert.pem"),
         "-subj", "/CN=hooks.example", "-addext", "subjectAltName=DNS:hooks.example"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    parts = [path.with_name(name).read_text() for name in ("key.pem", "cert.pem")]
    path.write_text("".join(parts))
    return path


@pytest.fixture
def secure(
    serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, list[str | None]]:
    """Return the port of a TLS server on 127.0.0.1, which hooks.example leads to, and its SNIs."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _, name, __: names.append(name)

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection.dup(), server_side=True) as inside:
            answering(NO_CONTENT)(inside)

    ask = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **k: ask("127.0.0.1" if host == "hooks.example" else host, *a, **k),
    )
    return serve(talk), names


def test_tls_is_about_the_host_and_not_its_address(
    secure: tuple[int, list[str | None]], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a trusted certificate for a name, it serves that name, a final dot or not."""
    port, names = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for host in ("hooks.example", "Hooks.Example."):
        answer = courier(CONFIG).deliver(parcel(port, scheme="https", host=host))
        assert answer.status == 204
    assert names == ["hooks.example", "hooks.example"]


@pytest.mark.parametrize(
    ("host", "trusted"), [("hooks.example", False), ("127.0.0.1", True), ("localhost", True)]
)
def test_a_certificate_must_be_trusted_and_the_hosts_own(
    secure: tuple[int, list[str | None]],
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    trusted: bool,
) -> None:
    port, _ = secure
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    message = r"^The endpoint's certificate is not valid for its host, or not trusted\.$"
    with pytest.raises(Unreachable, match=message):
        courier(CONFIG).deliver(parcel(port, scheme="https", host=host))


def test_a_server_without_tls_is_not_spoken_to(serve: Serve) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    port = serve(talk)
    with pytest.raises(Unreachable, match=r"^The endpoint does not speak TLS as it should\.$"):
        courier(CONFIG).deliver(parcel(port, scheme="https"))


def test_the_total_time_ends_a_handshake(serve: Serve) -> None:
    port, began = serve(silent), time.monotonic()
    with pytest.raises(Unreachable, match="in time"):
        courier(replace(CONFIG, total_timeout=0.3)).deliver(parcel(port, scheme="https"))
    assert time.monotonic() - began < 5
