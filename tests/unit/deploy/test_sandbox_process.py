"""The sandbox as a process: its command line, its memory and its end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import openai
import pytest
from openai import OpenAI

from tests.sandbox_server import SandboxServer, sandbox_server
from tests.unit.deploy.sandbox_client import chat, client_of, create, kinds

pytestmark = pytest.mark.enable_socket


def test_it_is_healthy_and_forgets_on_demand(client: OpenAI, sandbox: SandboxServer) -> None:
    create(client)
    sandbox.reset()

    assert sandbox.stats() == {"kept": 0, "jobs": {}}
    assert sandbox._call("GET", "/healthz") == {"status": "ok"}


def test_reset_ends_what_is_going_on(client: OpenAI, sandbox: SandboxServer) -> None:
    stream = create(client, "stuck=1", background=True, stream=True)
    next(stream)

    sandbox.reset()

    assert kinds(list(stream)) == ["response.queued"]


def test_it_tells_what_happened_when(client: OpenAI, sandbox: SandboxServer) -> None:
    begin = time.time()
    create(client, metadata={"job_id": "one"})
    busy = create(client, "stuck=1", background=True, metadata={"job_id": "two"})
    with pytest.raises(openai.RateLimitError):
        create(client, "error=429", metadata={"job_id": "three"})
    client.responses.cancel(busy.id)

    rows = sandbox.timeline()

    assert [(what, job) for _, what, job in rows] == [
        ("asked", "one"),
        ("begun", "one"),
        ("completed", "one"),
        ("asked", "two"),
        ("begun", "two"),
        ("asked", "three"),
        ("stopped", "two"),
    ]
    times = [at for at, _, _ in rows]
    assert begin <= times[0]
    assert times == sorted(times)
    assert sandbox.stats()["peak"] == 1


def test_only_the_last_responses_are_kept() -> None:
    with sandbox_server("--keep=3") as small, client_of(small) as client:
        busy = create(client, "stuck=1", background=True)
        ids = [create(client, metadata={"job_id": str(n)}).id for n in range(5)]

        assert small.stats()["kept"] == 3
        assert small.stats()["jobs"] == {"2": 1, "3": 1, "4": 1}
        assert client.responses.retrieve(busy.id).status == "queued"
        assert [client.responses.retrieve(id_).id for id_ in ids[3:]] == ids[3:]
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(ids[2])


def test_a_client_that_leaves_in_the_middle_of_its_request_is_not_complained_of(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with sandbox_server() as server:
        host, port = server.base_url.removeprefix("http://").removesuffix("/v1").split(":")
        with socket.create_connection((host, int(port))) as line:
            line.sendall(b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        server.reset()  # it has been noticed by the time that another one was answered
    assert capfd.readouterr().err == ""


def test_the_latency_of_the_command_line_is_the_default() -> None:
    with sandbox_server("--latency=1") as slow, client_of(slow) as client:
        begin = time.monotonic()
        create(client)
        assert time.monotonic() - begin >= 1
        begin = time.monotonic()
        create(client, "latency=0")
        assert time.monotonic() - begin < 1


def test_sigterm_stops_it_within_two_seconds_of_open_streams() -> None:
    with sandbox_server() as running, client_of(running) as client:
        streams = [
            create(client, "hang_after=1", background=True, stream=True),
            create(client, "delta=1", stream=True),
            chat(client, "latency=60", stream=True),
        ]
        for stream in streams:
            next(stream)
        begin = time.monotonic()

        running.process.send_signal(signal.SIGTERM)

        running.process.wait(5)
        assert time.monotonic() - begin < 2


def test_a_port_that_is_taken_is_an_error(sandbox: SandboxServer) -> None:
    port = sandbox.base_url.removesuffix("/v1").rpartition(":")[2]

    second = subprocess.run(
        [sys.executable, "-m", "deploy.local.sandbox", f"--port={port}"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert second.returncode != 0
    assert "Address already in use" in second.stderr
