"""MailerSend against a real HTTP server: the exact request, and what each answer means."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from pipelines.core.errors import (
    InvalidInput,
    PermanentError,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
    TurnpikeError,
)
from workers.engines.mailer import (
    Attachment,
    MailerSendConfig,
    Outgoing,
    Receipt,
    SendUncertain,
    mailer,
)

SINCE = datetime(2026, 11, 1, 12, tzinfo=UTC)
TAG = "1f0c-fc56aef05915"
MAIL = Outgoing(
    message_id="<1f0c@turnpike.example>",
    sender="post@turnpike.example.com",
    sender_name="Türnpike",
    to="ada@example.org",
    subject="Ihr Bericht – 报告",
    text="Grüße",
    headers={"X-Job": "42"},
)


@dataclass
class Api:
    """What the server answers, and what it was asked."""

    status: int = 202
    headers: dict[str, str] = field(
        default_factory=lambda: {"x-message-id": "62fb66bef54a112e920b5493"}
    )
    body: Any = None
    cut: bool = False
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def api() -> Iterator[Api]:
    state = Api()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = json.loads(self.rfile.read(length)) if length else None
            state.requests.append((self.command, self.path, dict(self.headers), content))
            if state.cut:
                self.connection.close()
                return
            body = b"" if state.body is None else json.dumps(state.body).encode()
            self.send_response(state.status)
            for name, value in {**state.headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the cut line of a test

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def config(api: Api) -> MailerSendConfig:
    return MailerSendConfig(api_key="mlsn.key", base_url=api.url, domain_id="dom1", timeout=5)


def send(api: Api, mail: Outgoing = MAIL, settings: MailerSendConfig | None = None) -> Receipt:
    """Send, and hold that `transmitting` was called once and before the request."""
    calls: list[int] = []
    try:
        return mailer(settings or config(api)).send(
            mail, transmitting=lambda: calls.append(len(api.requests))
        )
    finally:
        assert calls == [0]


def test_request_is_exactly_this(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILERSEND_API_KEY", "another")
    pdf = Attachment("Bericht.pdf", "application/pdf", b"%PDF-\x00\xff")
    receipt = send(api, replace(MAIL, html="<p>Grüße</p>", attachments=(pdf,)))

    assert receipt == Receipt("mailersend", "62fb66bef54a112e920b5493")
    [(method, path, headers, body)] = api.requests
    assert (method, path) == ("POST", "/v1/email")
    assert headers["Authorization"] == "Bearer mlsn.key"
    assert headers["Content-Type"] == "application/json"
    assert body == {
        "from": {"email": "post@turnpike.example.com", "name": "Türnpike"},
        "to": [{"email": "ada@example.org"}],
        "subject": "Ihr Bericht – 报告",
        "text": "Grüße",
        "html": "<p>Grüße</p>",
        "tags": [TAG],
        "attachments": [
            {
                "content": base64.b64encode(b"%PDF-\x00\xff").decode(),
                "disposition": "attachment",
                "filename": "Bericht.pdf",
            }
        ],
    }


def test_custom_headers_go_out_where_the_plan_allows_them(api: Api) -> None:
    send(api, settings=replace(config(api), custom_headers=True))
    [(_, _, _, body)] = api.requests
    assert body["headers"] == [
        {"name": "X-Turnpike-Message-ID", "value": "<1f0c@turnpike.example>"},
        {"name": "X-Job", "value": "42"},
    ]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422])
def test_refusal_is_certain_and_permanent(api: Api, status: int) -> None:
    api.status, api.body = status, {"message": "no", "errors": {"to": ["is bad"]}}
    with pytest.raises(ProviderRefused, match=f"MailerSend answered {status}: no: to: is bad"):
        send(api)
    assert len(api.requests) == 1


def limited(api: Api, retry_after: str) -> RateLimited:
    """Send once to a server that asks for patience; return what the transport made of it."""
    api.status, api.headers = 429, {"Retry-After": retry_after}
    with pytest.raises(RateLimited) as refusal:
        send(api)
    assert len(api.requests) == 1
    return refusal.value


def test_rate_limit_says_how_many_seconds_to_wait(api: Api) -> None:
    assert limited(api, "17").retry_after == 17


def test_rate_limit_says_until_when_to_wait(api: Api) -> None:
    refusal = limited(api, format_datetime(datetime.now(UTC) + timedelta(hours=1)))
    assert refusal.retry_after == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (500, {}, SendUncertain),
        (502, {"Retry-After": "5"}, SendUncertain),
        (503, {}, SendUncertain),
        (503, {"Retry-After": "5"}, ProviderUnavailable),
        (504, {}, SendUncertain),
        (408, {}, SendUncertain),
        (421, {}, ProviderUnavailable),
        (200, {}, SendUncertain),
        (301, {"Location": "/v2/email"}, ProviderRefused),
    ],
)
def test_other_answers(
    api: Api, status: int, headers: dict[str, str], error: type[TurnpikeError]
) -> None:
    api.status, api.headers = status, headers
    with pytest.raises(error) as raised:
        send(api)
    assert type(raised.value) is error
    assert len(api.requests) == 1


def test_cut_line_is_uncertain(api: Api) -> None:
    api.cut = True
    with pytest.raises(SendUncertain, match="answer was lost"):
        send(api)
    assert len(api.requests) == 1


def test_no_connection_can_be_tried_again(api: Api) -> None:
    with pytest.raises(ProviderUnavailable):
        send(api, settings=replace(config(api), base_url="http://127.0.0.1:1"))


def test_setting_that_makes_no_request_is_permanent(api: Api) -> None:
    with pytest.raises(ProviderRefused):
        send(api, settings=replace(config(api), base_url="no url"))
    with pytest.raises(ProviderRefused):
        mailer(replace(config(api), api_key="schlüssel")).send(MAIL, transmitting=pytest.fail)
    assert api.requests == []


def test_suppressed_recipient_is_no_success(api: Api) -> None:
    api.body = {"message": "warnings", "warnings": [{"type": "ALL_SUPPRESSED", "recipients": []}]}
    with pytest.raises(PermanentError) as refused:
        send(api)
    assert refused.value.error_code == "recipient_suppressed"


def test_failure_to_write_the_intent_down_stops_the_sending(api: Api) -> None:
    def fails() -> None:
        raise LookupError("the database is gone")

    with pytest.raises(LookupError):
        mailer(config(api)).send(MAIL, transmitting=fails)
    assert api.requests == []


def test_mail_that_the_package_refuses_is_not_sent(api: Api) -> None:
    with pytest.raises(InvalidInput):
        mailer(config(api)).send(replace(MAIL, subject="x" * 999), transmitting=pytest.fail)
    with pytest.raises(InvalidInput):
        mailer(config(api)).send(replace(MAIL, to="a@localhost"), transmitting=pytest.fail)
    assert api.requests == []


def test_find_asks_for_the_tag(api: Api) -> None:
    api.status = 200
    api.body = {
        "data": [{"message_id": "other", "tags": ["x"]}, {"message_id": "m1", "tags": [TAG]}]
    }
    found = mailer(config(api)).find(MAIL.message_id, to=MAIL.to, since=SINCE)
    assert found == Receipt("mailersend", "m1")
    [(method, path, headers, _)] = api.requests
    query = dict(parse_qsl(urlsplit(path).query))
    assert (method, urlsplit(path).path) == ("GET", "/v1/emails")
    assert headers["Authorization"] == "Bearer mlsn.key"
    assert int(query.pop("date_to")) >= int(datetime.now(UTC).timestamp())
    assert query == {
        "domain_id": "dom1",
        "date_from": str(int((SINCE - timedelta(minutes=5)).timestamp())),
        "recipient_email": "ada@example.org",
        "tag": TAG,
    }


def test_find_knows_nothing_without_a_domain_a_row_or_the_right(api: Api) -> None:
    without = replace(config(api), domain_id="")
    assert mailer(without).find(MAIL.message_id, to=MAIL.to, since=SINCE) is None
    assert api.requests == []
    api.status, api.body = 200, {"data": [{"message_id": "m", "tags": None}, "junk"]}
    assert mailer(config(api)).find(MAIL.message_id, to=MAIL.to, since=SINCE) is None
    api.status, api.body = 403, {"message": "Unauthorized"}
    assert mailer(config(api)).find(MAIL.message_id, to=MAIL.to, since=SINCE) is None


@pytest.mark.parametrize(("status", "error"), [(429, RateLimited), (500, ProviderUnavailable)])
def test_find_that_got_no_answer_may_ask_again(
    api: Api, status: int, error: type[TurnpikeError]
) -> None:
    api.status, api.headers = status, {"Retry-After": "3"}
    with pytest.raises(error):
        mailer(config(api)).find(MAIL.message_id, to=MAIL.to, since=SINCE)


def test_key_stays_out_of_the_settings_text(api: Api) -> None:
    assert "mlsn.key" not in repr(config(api))
    assert (mailer(config(api)).name, mailer(config(api)).idempotent) == ("mailersend", False)
