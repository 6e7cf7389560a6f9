"""What a mail transport takes and promises, and the settings of each one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from pipelines.core.errors import PermanentError

ATTACHMENT_LIMIT = 20 * 1024 * 1024  # bytes; most receivers refuse mail of more than 25 MB


class SendUncertain(PermanentError):
    """The provider may have accepted the e-mail; sending it again could send it twice."""

    code = "mail_uncertain"


@dataclass(frozen=True)
class Attachment:
    """One file of an e-mail."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Outgoing:
    """One e-mail to one recipient.

    Attributes:
        message_id: RFC 5322 id with its angle brackets, the same on every sending.
        sender: Address that it comes from.
        sender_name: Name shown beside it; may be empty.
        to: Address of the recipient.
        subject: One line.
        text: Plain body; a mail has this or `html`, or both.
        html: HTML body, already safe.
        attachments: Files, all together within the transport's limit.
        headers: Further headers; none that the transport sets itself.
    """

    message_id: str
    sender: str
    sender_name: str
    to: str
    subject: str
    text: str
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Receipt:
    """Who accepted an e-mail, and under which id of theirs."""

    provider: str
    provider_id: str


class Mailer(Protocol):
    """Hands e-mails to a provider.

    Attributes:
        name: The transport, as receipts name it.
        idempotent: Whether a second sending of one Message-ID is known to be harmless.
    """

    name: ClassVar[str]
    idempotent: ClassVar[bool]

    def send(self, mail: Outgoing, *, transmitting: Callable[[], None]) -> Receipt:
        """Send an e-mail.

        Args:
            mail: What to send.
            transmitting: Called once, right before the first byte that could make the provider
                accept the mail; an exception from it stops the sending and is passed on. It is not
                called when nothing needs to be transmitted.

        Raises:
            InvalidInput: The mail cannot be sent as it is; nothing was sent.
            TransientError: It was certainly not accepted, and trying again may help.
            PermanentError: It was certainly not accepted, and trying again is no use.
            SendUncertain: It may have been accepted.
        """
        ...

    def find(self, message_id: str, *, to: str, since: datetime) -> Receipt | None:
        """Ask the provider whether it accepted an e-mail.

        Args:
            message_id: The id under which it was sent.
            to: Its recipient.
            since: An aware moment before it was sent.

        Returns:
            The receipt; None when it was not accepted or the provider cannot tell.

        Raises:
            TransientError: The provider did not answer.
        """
        ...


@dataclass(frozen=True)
class MailerSendConfig:
    """How to reach MailerSend.

    Attributes:
        api_key: Token with the right to send; to look mails up it also needs to read activity.
        base_url: Of the API; empty stands for MailerSend's own.
        domain_id: MailerSend's id of the sending domain; without it nothing can be looked up.
        timeout: Seconds for the connection and between two reads.
        custom_headers: Whether the account's plan allows them; if not, `Outgoing.headers` are
            left out.
        attachment_limit: Bytes of all attachments together.
    """

    api_key: str = field(repr=False)
    base_url: str = ""
    domain_id: str = ""
    timeout: float = 30.0
    custom_headers: bool = False
    attachment_limit: int = ATTACHMENT_LIMIT


@dataclass(frozen=True)
class SmtpConfig:
    """How to reach an SMTP server.

    Attributes:
        host: Name or address.
        port: Usually 587 for `starttls`, 465 for `ssl`.
        user: Login name; empty for none.
        password: Its password.
        security: Never falls back: with `starttls` a server without it is refused.
        timeout: Seconds for the connection and for each answer.
        attachment_limit: Bytes of all attachments together.
    """

    host: str
    port: int = 587
    user: str = ""
    password: str = field(default="", repr=False)
    security: Literal["starttls", "ssl", "none"] = "starttls"
    timeout: float = 30.0
    attachment_limit: int = ATTACHMENT_LIMIT


@dataclass(frozen=True)
class FilesConfig:
    """Where e-mails are written instead of being sent."""

    directory: Path
    attachment_limit: int = ATTACHMENT_LIMIT


MailerConfig = MailerSendConfig | SmtpConfig | FilesConfig
