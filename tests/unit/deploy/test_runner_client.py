"""The runner's HTTP client and what follows a job with it, against a real server."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deploy.local import follow
from deploy.local.client import ApiError, Client
from deploy.local.errors import RunnerError
from deploy.local.follow import Follower
from deploy.local.ports import free_port
from deploy.local.terminal import Terminal


class Server(ThreadingHTTPServer):
    """Gives prepared answers, one after another and the last again and again; keeps requests."""

    daemon_threads = True

    def __init__(self, *answers: tuple[int, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        answers = self.server.answers
        status, content = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    do_GET = do_POST = _answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server whose answers the test sets."""
    made = Server((200, {}))
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def client_of(server: Server) -> Client:
    """A client of a server."""
    return Client(f"http://127.0.0.1:{server.server_port}")


def step(name: str, state: str, seconds: int | None = None, attempt: int = 1) -> dict[str, Any]:
    """A step as the API shows it."""
    began = "2026-11-21T00:00:00Z"
    ended = f"2026-11-21T00:00:{seconds:02}Z" if seconds is not None else None
    return {
        "name": name,
        "state": state,
        "attempt": attempt,
        "worker": "llm@host",
        "started_at": began,
        "finished_at": ended,
    }


def job(state: str, *steps: dict[str, Any], **more: Any) -> tuple[int, dict[str, Any]]:
    """A job as the API shows it."""
    shown = {"state": state, "steps": list(steps), "queue": None, "error": None, **more}
    return 200, {"progress": {"current": "chat.generate"}, **shown}


def test_what_follows_a_sign_in_bears_the_token(server: Server) -> None:
    client = client_of(server)
    server.answers = [(200, {"access": "abc"}), (200, {"data": []})]
    client.sign_in("demo@example.com", "secret")
    assert client.get("/api/v1/jobs/") == {"data": []}
    (_, path, headers, body), (_, _, later, _) = server.requests
    assert path == "/api/v1/tokens/"
    assert json.loads(body) == {"email": "demo@example.com", "password": "secret"}
    assert "Authorization" not in headers
    assert later["Authorization"] == "Bearer abc"


def test_a_refusal_is_told_with_its_detail(server: Server) -> None:
    server.answers = [(401, {"detail": "The password is wrong."})]
    with pytest.raises(ApiError) as caught:
        client_of(server).sign_in("demo@example.com", "secret")
    assert str(caught.value) == "POST /api/v1/tokens/ was answered with 401. The password is wrong."
    assert (caught.value.status, caught.value.body["detail"]) == (401, "The password is wrong.")


def test_no_answer_is_told_as_such() -> None:
    with pytest.raises(ApiError, match="GET /readyz was not answered: ") as caught:
        Client(f"http://127.0.0.1:{free_port()}").get("/readyz")
    assert caught.value.status == 0


def test_a_proxy_does_not_come_between(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    server.answers = [(200, {"status": "ok"})]
    assert client_of(server).get("/healthz") == {"status": "ok"}


def test_each_step_is_shown_once_as_it_begins_and_ends(server: Server) -> None:
    first, second = "chat.retrieve", "chat.generate"
    server.answers = [
        job("queued", step(first, "queued"), step(second, "queued")),
        job("in_progress", step(first, "in_progress"), step(second, "queued")),
        job("in_progress", step(first, "completed", 2), step(second, "in_progress", attempt=2)),
        job("in_progress", step(first, "completed", 2), step(second, "in_progress", attempt=2)),
        job("completed", step(first, "completed", 2), step(second, "completed", 5), result=7),
    ]
    shown = io.StringIO()
    done = Follower(client_of(server), Terminal(shown)).follow("1")
    assert done["result"] == 7
    assert [line.partition("s]   ")[2] for line in shown.getvalue().splitlines()] == [
        "chat.retrieve      began on llm@host",
        "chat.retrieve      completed in 2.00 s",
        "chat.generate      began on llm@host, attempt 2",
        "chat.generate      completed in 5.00 s",
    ]
    assert {path for _, path, _, _ in server.requests} == {"/api/v1/jobs/1/"}


def test_a_job_that_fails_is_an_error_with_its_reason(server: Server) -> None:
    error = {"code": "provider_refused", "detail": "The key is not valid."}
    server.answers = [job("failed", step("chat.generate", "failed", 1), error=error)]
    said = r"Job 1 is failed: The key is not valid\. \(provider_refused\)"
    with pytest.raises(RunnerError, match=said):
        Follower(client_of(server), Terminal(io.StringIO())).follow("1")


def test_a_job_that_does_not_end_is_an_error_that_says_what_it_waits_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "PATIENCE", 0.3)
    queue = {"name": "llm", "position": 1, "reason": "no worker serves the queue 'llm'"}
    server.answers = [job("queued", step("chat.generate", "queued"), queue=queue)]
    with pytest.raises(RunnerError, match="has not ended in 0 s: no worker serves the queue 'llm'"):
        Follower(client_of(server), Terminal(io.StringIO())).follow("1")
