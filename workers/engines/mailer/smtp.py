"""E-mails over SMTP, one command at a time, so that what a broken line means is always known."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import ClassVar

from pipelines.core.errors import (
    PermanentError,
    ProviderRefused,
    ProviderUnavailable,
    TransientError,
    TurnpikeError,
)
from workers.engines.mailer.message import ascii_address, build, check
from workers.engines.mailer.types import Outgoing, Receipt, SendUncertain, SmtpConfig

_REPLY_CHARACTERS = 200
_LINE_START_DOT = re.compile(rb"(?m)^\.")


class SmtpMailer:
    """Sends each mail over a connection of its own: no idle line to be cut in mid-mail."""

    name: ClassVar[str] = "smtp"
    idempotent: ClassVar[bool] = False

    def __init__(self, config: SmtpConfig) -> None:
        """Keep the settings; nothing connects yet."""
        self._config = config

    def send(self, mail: Outgoing, *, transmitting: Callable[[], None]) -> Receipt:
        """Send; only a line that is cut after the text began to flow leaves anything uncertain."""
        check(mail, attachment_limit=self._config.attachment_limit)
        content = bytes(build(mail))
        with self._connected() as server:
            with _certain():
                self._address(server, mail, len(content))
            transmitting()
            with _certain():
                _expect(server.docmd("DATA"), 354, "data")
            reply = _transmit(server, content)
        return Receipt(self.name, reply)

    def find(self, message_id: str, *, to: str, since: datetime) -> Receipt | None:
        """SMTP has no way to ask."""
        return None

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        with _certain():
            server = self._connect()
        try:
            with _certain():
                self._greet(server)
            yield server
        finally:
            # Goodbye is good manners only: by now the mail is accepted, refused or in doubt.
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()

    def _connect(self) -> smtplib.SMTP:
        config = self._config
        hostname = socket.gethostname()  # given, because smtplib would ask the DNS
        if config.security == "ssl":
            return smtplib.SMTP_SSL(
                config.host,
                config.port,
                local_hostname=hostname,
                timeout=config.timeout,
                context=ssl.create_default_context(),
            )
        return smtplib.SMTP(
            config.host, config.port, local_hostname=hostname, timeout=config.timeout
        )

    def _greet(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        if self._config.security == "starttls":
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        if self._config.user:
            server.login(self._config.user, self._config.password)

    @staticmethod
    def _address(server: smtplib.SMTP, mail: Outgoing, size: int) -> None:
        options = [f"SIZE={size}"] if server.has_extn("size") else []
        sender = ascii_address(mail.sender, field="sender")
        _expect(server.mail(sender, options), 250, "sender")
        recipient = ascii_address(mail.to, field="to")
        _expect(server.rcpt(recipient), 250, "recipient", also=251)


def _transmit(server: smtplib.SMTP, content: bytes) -> str:
    """Send the text and its final dot; returns the server's last words."""
    ending = b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n"
    try:
        server.send(_LINE_START_DOT.sub(b"..", content) + ending)
        reply = server.getreply()
    except (smtplib.SMTPException, OSError) as error:
        raise SendUncertain("The mail server's answer to the text was lost.") from error
    _expect(reply, 250, "text")
    return reply[1].decode("ascii", "replace")[:_REPLY_CHARACTERS]


@contextmanager
def _certain() -> Iterator[None]:
    """While no text has flowed, every failure means that the mail was not accepted."""
    try:
        yield
    except TurnpikeError:
        raise
    except smtplib.SMTPAuthenticationError as error:
        raise _refusal(error.smtp_code, error.smtp_error, "login") from error
    except smtplib.SMTPNotSupportedError as error:
        raise ProviderRefused("The mail server lacks what the settings ask for.") from error
    except smtplib.SMTPResponseException as error:
        raise _refusal(error.smtp_code, error.smtp_error, "greeting") from error
    except (smtplib.SMTPException, OSError) as error:
        raise ProviderUnavailable("The mail server cannot be reached.") from error


def _expect(reply: tuple[int, bytes], code: int, phase: str, *, also: int = 0) -> None:
    if reply[0] not in {code, also}:
        raise _refusal(*reply, phase)


def _refusal(code: int, words: bytes | str, phase: str) -> TurnpikeError:
    """4xx may pass; 5xx will not. The words are the server's, and name no secret of ours."""
    text = words.decode("ascii", "replace") if isinstance(words, bytes) else words
    detail = f"The mail server refused the {phase}: {code} {text}"[:_REPLY_CHARACTERS]
    if 400 <= code < 500:
        return TransientError(detail, code=f"smtp_{phase}_deferred")
    if phase == "login":
        return ProviderRefused(detail)
    if code < 0:  # what smtplib makes of an answer that is none
        return ProviderUnavailable(detail)
    return PermanentError(detail, code=f"smtp_{phase}_refused")
