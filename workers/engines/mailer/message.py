"""What every transport checks before it sends, and the RFC 5322 message of those that need one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256

from pipelines.core.errors import InvalidInput, MessageTooLarge
from workers.engines.mailer.types import Attachment, Outgoing

_POLICY = SMTP.clone(cte_type="7bit")  # so that no relay on the way needs to re-encode anything
_LINE_BREAKERS = re.compile(r"[\r\n\0\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_DOMAIN = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_MESSAGE_ID = re.compile(rf"<{_ATOM}(?:\.{_ATOM})*@[A-Za-z0-9.-]+>")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,76}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9.+-]+")
_OURS = frozenset(
    {"from", "to", "cc", "bcc", "sender", "subject", "date", "message-id", "mime-version",
     "return-path", "received", "dkim-signature", "auto-submitted"}
)  # fmt: skip
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def check(mail: Outgoing, *, attachment_limit: int) -> None:
    """Refuse what no transport may send.

    Raises:
        InvalidInput: A line break in a header, an address, id, name or type that is none, a lone
            surrogate, or no body at all.
        MessageTooLarge: The attachments are larger than `attachment_limit` bytes together.
    """
    if not _MESSAGE_ID.fullmatch(mail.message_id) or len(mail.message_id) > 250:
        raise InvalidInput("The Message-ID is not valid.", field="message_id")
    ascii_address(mail.sender, field="sender")
    ascii_address(mail.to, field="to")
    _check_line(mail.subject, "subject")
    _check_line(mail.sender_name, "sender_name")
    for name, value in mail.headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS or _is_content(name):
            raise InvalidInput(f"The header {name!r} cannot be set.", field="headers")
        _check_line(value, "headers")
    if not mail.text and not mail.html:
        raise InvalidInput("An e-mail needs a text.", field="text")
    _check_encodable(mail.text, "text")
    _check_encodable(mail.html, "html")
    for attachment in mail.attachments:
        _check_attachment(attachment)
    if sum(len(attachment.content) for attachment in mail.attachments) > attachment_limit:
        raise MessageTooLarge(
            f"The attachments are larger than {attachment_limit} bytes.", field="attachments"
        )


def ascii_address(address: str, *, field: str) -> str:
    """Check an address and write its domain in ASCII, as every mail server understands it.

    Raises:
        InvalidInput: It is no plain `local@domain`, or its local part is not ASCII.
    """
    local, at, domain = address.rpartition("@")
    try:
        encoded = domain.encode("idna").decode("ascii")
    except UnicodeError:
        encoded = ""
    if (
        not at
        or len(local) > 64
        or len(encoded) > 253
        or not _LOCAL_PART.fullmatch(local)
        or not _DOMAIN.fullmatch(encoded)
    ):
        raise InvalidInput("That is not an e-mail address.", field=field)
    return f"{local}@{encoded}"


def key(message_id: str) -> str:
    """A short name for a Message-ID that is safe as a file name and as a provider's tag.

    The local part comes first so that a person, or a webhook, finds the mail by it; the digest
    keeps two ids apart that differ only in what was left out.
    """
    local = _UNSAFE.sub("_", message_id.strip("<>").rpartition("@")[0])[:80].lstrip(".")
    return f"{local}-{sha256(message_id.encode()).hexdigest()[:12]}"


def build(mail: Outgoing) -> EmailMessage:
    """Write a checked mail as a MIME message of seven-bit lines."""
    message = EmailMessage(policy=_POLICY)
    message["Message-ID"] = mail.message_id
    message["Date"] = datetime.now(UTC)
    message["From"] = Address(
        mail.sender_name, addr_spec=ascii_address(mail.sender, field="sender")
    )
    message["To"] = Address(addr_spec=ascii_address(mail.to, field="to"))
    message["Subject"] = mail.subject
    message["Auto-Submitted"] = "auto-generated"
    for name, value in mail.headers.items():
        message[name] = value
    if mail.text:
        message.set_content(mail.text)
        if mail.html:
            message.add_alternative(mail.html, subtype="html")
    else:
        message.set_content(mail.html, subtype="html")
    for attachment in mail.attachments:
        maintype, _, subtype = attachment.content_type.partition("/")
        message.add_attachment(
            attachment.content, maintype=maintype, subtype=subtype, filename=attachment.name
        )
    return message


def _is_content(name: str) -> bool:
    return name.lower().startswith("content-")


def _check_line(value: str, field: str) -> None:
    if _LINE_BREAKERS.search(value):
        raise InvalidInput("A header cannot hold a line break.", field=field)
    _check_encodable(value, field)


def _check_encodable(value: str, field: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput("The text holds half a character.", field=field) from error


def _check_attachment(attachment: Attachment) -> None:
    _check_line(attachment.name, "attachments")
    if not attachment.name or "/" in attachment.name or "\\" in attachment.name:
        raise InvalidInput("An attachment needs a plain file name.", field="attachments")
    kind = attachment.content_type
    # A message or multipart would have to be parsed, and could say anything.
    if not _MEDIA_TYPE.fullmatch(kind) or kind.startswith(("multipart/", "message/")):
        raise InvalidInput("An attachment needs a plain media type.", field="attachments")
