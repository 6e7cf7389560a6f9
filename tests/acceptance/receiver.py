"""A server that receives webhooks, answers as it is told, and keeps what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Received:
    """One delivery, as it came over the line."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What a receiver was sent, and what it answers: `answers` in their order, then `status`."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    status: int = 200
    # While it is clear, whoever has delivered waits for an answer.
    may_answer: threading.Event = field(default_factory=threading.Event)

    def ids(self) -> list[str]:
        """The ids of what was sent, in their order."""
        return [one.headers["webhook-id"] for one in self.received]


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(headers, body))
            receiver.may_answer.wait()
            # Whoever delivers may have given up by now.
            with suppress(ConnectionError):
                self.send_response(receiver.answers.pop(0) if receiver.answers else receiver.status)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"noted")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Listen on a port of this machine."""
    receiver = Receiver()
    receiver.may_answer.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver)) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/hooks"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.may_answer.set()
            server.shutdown()
            thread.join()
