"""Where e-mails arrive: a real SMTP server, and an HTTP server in MailerSend's place."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.acceptance.stack import free_port


@dataclass
class Mailbox:
    """What arrived."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)

    def to(self, address: str) -> list[EmailMessage]:
        """The messages to one address, the oldest first."""
        return [message for message in self.messages if message["To"] == address]


@contextmanager
def smtp_server() -> Iterator[Mailbox]:
    """Receive e-mails by SMTP."""
    box = Mailbox()

    class Handler:
        async def handle_DATA(  # noqa: N802 - aiosmtpd's name
            self, server: SMTP, session: Session, envelope: Envelope
        ) -> str:
            content = cast("bytes", envelope.original_content)
            box.messages.append(message_from_bytes(content, policy=policy.default))
            return "250 accepted"

    box.port = free_port()
    controller = Controller(Handler(), hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@dataclass
class Requests:
    """What was posted: (path, headers, body)."""

    url: str = ""
    posts: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)


@contextmanager
def mailersend_server() -> Iterator[Requests]:
    """Answer as MailerSend's API does when it accepts an e-mail."""
    seen = Requests()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen.posts.append((self.path, headers, json.loads(body)))
            self.send_response(202)
            self.send_header("X-Message-Id", f"ms-{len(seen.posts)}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
