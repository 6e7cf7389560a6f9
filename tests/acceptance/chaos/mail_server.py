"""A server in MailerSend's place, which counts what it accepted and can be told to misbehave."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HANG_SECONDS = 6.0


@dataclass
class PostOffice:
    """What was accepted, by the tag that stands for a Message-ID, and the mood it is in.

    Attributes:
        mood: `well`; `429` and `500`, which accept nothing; `500 accepted` and `cut`, which
            accept and do not say so; `hang`, which says nothing for a while and accepts nothing.
    """

    url: str = ""
    mood: str = "well"
    accepted: Counter[str] = field(default_factory=Counter)
    letters: list[dict[str, Any]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, body: dict[str, Any]) -> int:
        """Accept an e-mail; return its number."""
        with self._lock:
            self.accepted.update(body.get("tags") or [])
            self.letters.append(body)
            return len(self.letters)

    def to(self, address: str) -> list[dict[str, Any]]:
        """What was accepted for an address, oldest first."""
        with self._lock:
            return [one for one in self.letters if one["to"][0]["email"] == address]


class _Handler(BaseHTTPRequestHandler):
    office: PostOffice

    def do_POST(self) -> None:
        """Take an e-mail in, as the mood is."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        mood = self.office.mood
        if mood == "429":
            self._answer(429, {"message": "Too many requests."}, {"Retry-After": "1"})
        elif mood == "500":
            self._answer(500, {"message": "Server error."})
        elif mood == "hang":
            time.sleep(HANG_SECONDS)
        else:
            number = self.office.take(body)
            if mood == "500 accepted":
                self._answer(500, {"message": "Server error."})
            elif mood != "cut":
                self._answer(202, None, {"X-Message-Id": f"ms-{number}"})

    def do_GET(self) -> None:
        """List the e-mails of a tag."""
        if self.office.mood in {"429", "500"}:
            self._answer(int(self.office.mood), {"message": "Not now."}, {"Retry-After": "1"})
            return
        query = parse_qs(urlsplit(self.path).query)
        tags = [tag for name, values in query.items() if "tag" in name for tag in values]
        rows = [
            {"message_id": f"ms-{number}", "tags": [tag]}
            for tag in tags
            for number in range(self.office.accepted[tag])
        ]
        self._answer(200, {"data": rows})

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about a worker that was killed while it waited for its answer."""


@contextmanager
def post_office() -> Iterator[PostOffice]:
    """Run the server."""
    office = PostOffice()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"office": office}))
    office.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, name="post office", daemon=True).start()
    try:
        yield office
    finally:
        server.shutdown()
        server.server_close()
