# ruff: noqa: N802, D102 - the handler's methods bear the names that aiosmtpd calls
"""SMTP against a real server: what it receives, and what each refusal and cut line means."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from pipelines.core.errors import (
    PermanentError,
    ProviderRefused,
    ProviderUnavailable,
    TransientError,
)
from workers.engines.mailer import (
    Attachment,
    Mailer,
    Outgoing,
    Receipt,
    SendUncertain,
    SmtpConfig,
    mailer,
)

MAIL = Outgoing(
    message_id="<1f0c@turnpike.example>",
    sender="post@turnpike.example",
    sender_name="Türnpike, Inc.",
    to="ada@example.org",
    subject="Ihr Bericht – 报告",
    text="Grüße\n.a line with a dot first\n" + "x" * 1200,
)


class Handler:
    """Answers as the test says and keeps what it accepted."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.cut = ""
        self.seen: list[str] = []
        self.accepted: list[bytes] = []
        self.recipients: list[list[str]] = []

    def _answer(self, server: SMTP, phase: str) -> str | None:
        self.seen.append(phase)
        if self.cut == phase:
            cast("Any", server).transport.abort()
        return self.answers.get(phase)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self._answer(server, "MAIL") or "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self._answer(server, "RCPT") or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self._answer(server, "DATA")
        if answer is None:
            self.accepted.append(cast("bytes", envelope.content))
            self.recipients.append(list(envelope.rcpt_tos))
        return answer or "250 2.0.0 Ok: queued as 4F1"


class EphemeralController(Controller):
    """Listens on a port that the system chose; the original asks port 0 for its greeting."""

    def _trigger_server(self) -> None:
        self.port = cast("Any", self.server).sockets[0].getsockname()[1]
        cast("Any", super())._trigger_server()


def authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
) -> AuthResult:
    known = isinstance(data, LoginPassword) and data == LoginPassword(b"ada", b"secret")
    return AuthResult(success=known, handled=False)


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
def serve(handler: Handler) -> Iterator[Callable[..., SmtpConfig]]:
    controllers: list[Controller] = []

    def start(**options: Any) -> SmtpConfig:
        controller = EphemeralController(handler, hostname="127.0.0.1", port=0, **options)
        controller.start()
        controllers.append(controller)
        return SmtpConfig(host="127.0.0.1", port=controller.port, security="none", timeout=5)

    yield start
    for controller in controllers:
        controller.stop()


class Calls:
    """Counts the calls of `transmitting`, and what the server had accepted by then."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.seen: list[list[str]] = []

    def __call__(self) -> None:
        self.seen.append(list(self._handler.seen))


@pytest.fixture
def transmitting(handler: Handler) -> Calls:
    return Calls(handler)


def parsed(handler: Handler) -> EmailMessage:
    assert len(handler.accepted) == 1
    return message_from_bytes(handler.accepted[0], policy=default)


def test_mail_arrives_as_it_was_written(
    serve: Callable[..., SmtpConfig], handler: Handler, transmitting: Calls
) -> None:
    pdf = Attachment("Bericht – März.pdf", "application/pdf", bytes(range(256)) * 10)
    mail = replace(
        MAIL, html="<p>Grüße</p>", attachments=(pdf,), headers={"X-Job": "42", "Precedence": "bulk"}
    )
    receipt = mailer(serve()).send(mail, transmitting=transmitting)

    assert receipt == Receipt("smtp", "2.0.0 Ok: queued as 4F1")
    assert transmitting.seen == [["MAIL", "RCPT"]]
    assert handler.recipients == [["ada@example.org"]]
    message = parsed(handler)
    assert message["Message-ID"] == "<1f0c@turnpike.example>"
    assert message["From"] == '"Türnpike, Inc." <post@turnpike.example>'
    assert message["To"] == "ada@example.org"
    assert message["Subject"] == "Ihr Bericht – 报告"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Job"] == "42"
    assert message["Date"].datetime.tzinfo is not None
    assert message.get_content_type() == "multipart/mixed"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == MAIL.text + "\n"
    assert html.get_content().strip() == "<p>Grüße</p>"
    [attachment] = message.iter_attachments()
    assert attachment.get_filename() == "Bericht – März.pdf"
    assert attachment.get_content_type() == "application/pdf"
    assert cast("Any", attachment).get_content() == pdf.content
    assert handler.accepted[0].isascii()
    assert max(len(line) for line in handler.accepted[0].split(b"\r\n")) <= 998


def test_domain_of_other_letters_goes_out_in_ascii(
    serve: Callable[..., SmtpConfig], handler: Handler, transmitting: Calls
) -> None:
    mailer(serve()).send(replace(MAIL, to="ada@exämple.org"), transmitting=transmitting)
    assert handler.recipients == [["ada@xn--exmple-cua.org"]]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
def test_login_is_used_and_a_wrong_one_is_permanent(
    serve: Callable[..., SmtpConfig], handler: Handler, transmitting: Calls
) -> None:
    config = serve(auth_required=True, auth_require_tls=False, authenticator=authenticate)
    with pytest.raises(ProviderRefused, match="refused the login: 535"):
        mailer(replace(config, user="ada", password="wrong")).send(MAIL, transmitting=transmitting)
    assert transmitting.seen == []
    with pytest.raises(PermanentError, match="530"):
        mailer(config).send(MAIL, transmitting=transmitting)
    mailer(replace(config, user="ada", password="secret")).send(MAIL, transmitting=transmitting)
    assert len(handler.accepted) == 1


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "error"), [("451 busy", TransientError), ("550 no such user", PermanentError)]
)
def test_refusals_are_certain(
    serve: Callable[..., SmtpConfig],
    handler: Handler,
    transmitting: Calls,
    phase: str,
    answer: str,
    error: type[Exception],
) -> None:
    handler.answers[phase] = answer
    with pytest.raises(error, match=answer) as refused:
        mailer(serve()).send(MAIL, transmitting=transmitting)
    assert not isinstance(refused.value, SendUncertain)
    assert len(transmitting.seen) == (1 if phase == "DATA" else 0)
    assert handler.accepted == []


@pytest.mark.parametrize("phase", ["MAIL", "RCPT"])
def test_line_cut_before_the_text_can_be_tried_again(
    serve: Callable[..., SmtpConfig], handler: Handler, transmitting: Calls, phase: str
) -> None:
    handler.cut = phase
    with pytest.raises(ProviderUnavailable):
        mailer(serve()).send(MAIL, transmitting=transmitting)
    assert transmitting.seen == []


def test_line_cut_after_the_text_is_uncertain(
    serve: Callable[..., SmtpConfig], handler: Handler, transmitting: Calls
) -> None:
    handler.cut = "DATA"
    with pytest.raises(SendUncertain) as uncertain:
        mailer(serve()).send(MAIL, transmitting=transmitting)
    assert uncertain.value.error_code == "mail_uncertain"
    assert not uncertain.value.retryable
    assert len(transmitting.seen) == 1


def test_failure_to_write_the_intent_down_stops_the_sending(
    serve: Callable[..., SmtpConfig], handler: Handler
) -> None:
    def fails() -> None:
        raise LookupError("the database is gone")

    with pytest.raises(LookupError):
        mailer(serve()).send(MAIL, transmitting=fails)
    assert handler.seen == ["MAIL", "RCPT"]


def test_server_that_is_not_there_can_be_tried_again(transmitting: Calls) -> None:
    config = SmtpConfig(host="127.0.0.1", port=1, security="none", timeout=2)
    with pytest.raises(ProviderUnavailable):
        mailer(config).send(MAIL, transmitting=transmitting)
    assert transmitting.seen == []


def test_mail_over_the_servers_limit_is_refused_before_the_text(
    serve: Callable[..., SmtpConfig], handler: Handler, transmitting: Calls
) -> None:
    with pytest.raises(PermanentError, match="552"):
        mailer(serve(data_size_limit=500)).send(MAIL, transmitting=transmitting)
    assert transmitting.seen == []


def test_encryption_never_falls_back(
    serve: Callable[..., SmtpConfig], handler: Handler, transmitting: Calls
) -> None:
    config = replace(serve(), security="starttls", user="ada", password="secret")
    with pytest.raises(ProviderRefused):
        mailer(config).send(MAIL, transmitting=transmitting)
    assert handler.seen == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_starttls_with_a_trusted_certificate_only(
    serve: Callable[..., SmtpConfig],
    handler: Handler,
    transmitting: Calls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certificate, secret = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", secret, "-out", certificate, "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    config = replace(serve(tls_context=context, require_starttls=True), security="starttls")
    with pytest.raises(ProviderUnavailable):
        mailer(config).send(MAIL, transmitting=transmitting)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    mailer(config).send(MAIL, transmitting=transmitting)
    assert len(handler.accepted) == 1
    assert transmitting.seen == [["MAIL", "RCPT"]]


def test_smtp_cannot_tell_what_it_sent() -> None:
    transport: Mailer = mailer(SmtpConfig(host="127.0.0.1"))
    assert transport.find("<a@b>", to="ada@example.org", since=datetime.now(UTC)) is None
    assert (transport.name, transport.idempotent) == ("smtp", False)
    assert "secret" not in repr(SmtpConfig(host="h", password="secret"))
