"""The files transport, crashes included, and the checks that all transports share."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import InvalidInput, MessageTooLarge, Unavailable
from workers.engines.mailer import Attachment, FilesConfig, Mailer, Outgoing, Receipt, mailer
from workers.engines.mailer.message import ascii_address, build, key

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MAIL = Outgoing(
    message_id="<1f0c@turnpike.example>",
    sender="post@turnpike.example",
    sender_name="Turnpike",
    to="ada@example.org",
    subject="Hello",
    text="Hi",
)
KEY = "1f0c-fc56aef05915"


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "var" / "outbox"


@pytest.fixture
def transport(outbox: Path) -> Mailer:
    return mailer(FilesConfig(outbox))


def nothing() -> None:
    """The caller has nothing to write down."""


def test_mail_becomes_one_file(transport: Mailer, outbox: Path) -> None:
    before: list[list[str]] = []

    def transmitting() -> None:
        before.append([path.suffix for path in outbox.iterdir()])

    assert transport.send(MAIL, transmitting=transmitting) == Receipt("files", KEY)
    assert before == [[".tmp"]]
    assert [path.name for path in outbox.iterdir()] == [f"{KEY}.eml"]
    message = message_from_bytes((outbox / f"{KEY}.eml").read_bytes(), policy=default)
    assert message["Message-ID"] == MAIL.message_id
    assert message["Subject"] == "Hello"
    assert outbox.stat().st_mode & 0o077 == 0


def test_second_sending_finds_the_first(transport: Mailer, outbox: Path) -> None:
    first = transport.send(MAIL, transmitting=nothing)
    content = (outbox / f"{KEY}.eml").read_bytes()
    again = transport.send(replace(MAIL, text="other"), transmitting=pytest.fail)
    assert again == first
    assert (outbox / f"{KEY}.eml").read_bytes() == content
    assert transport.find(MAIL.message_id, to=MAIL.to, since=NOW) == first
    assert transport.find("<other@turnpike.example>", to=MAIL.to, since=NOW) is None
    assert (transport.name, transport.idempotent) == ("files", True)


def test_crash_between_write_and_rename_leaves_nothing_sent(
    transport: Mailer, outbox: Path
) -> None:
    child = os.fork()
    if child == 0:  # the process dies with its temporary file written
        transport.send(MAIL, transmitting=lambda: os._exit(9))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert [path.suffix for path in outbox.iterdir()] == [".tmp"]
    assert transport.find(MAIL.message_id, to=MAIL.to, since=NOW) is None
    assert transport.send(MAIL, transmitting=nothing) == Receipt("files", KEY)
    assert len(list(outbox.glob("*.eml"))) == 1


def test_failure_to_write_the_intent_down_leaves_no_file(transport: Mailer, outbox: Path) -> None:
    def fails() -> None:
        raise LookupError("the database is gone")

    with pytest.raises(LookupError):
        transport.send(MAIL, transmitting=fails)
    assert list(outbox.iterdir()) == []


def test_directory_that_cannot_be_made_can_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable):
        mailer(FilesConfig(tmp_path / "file" / "outbox")).send(MAIL, transmitting=pytest.fail)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"subject": "a\r\nBcc: eve@example.org"}, "subject"),
        ({"subject": "a\nb"}, "subject"),
        ({"subject": "a\x00b"}, "subject"),
        ({"subject": "a\u2028b"}, "subject"),
        ({"subject": "\ud800"}, "subject"),
        ({"sender_name": "a\rb"}, "sender_name"),
        ({"message_id": "<a@b>\r\nX: y"}, "message_id"),
        ({"message_id": "a@b"}, "message_id"),
        ({"message_id": "<../../etc@b>/"}, "message_id"),
        ({"to": "ada@example.org\nBcc: eve@example.org"}, "to"),
        ({"to": "ada@example.org, eve@example.org"}, "to"),
        ({"to": "Ada <ada@example.org>"}, "to"),
        ({"to": "ada"}, "to"),
        ({"to": "@example.org"}, "to"),
        ({"to": "ädä@example.org"}, "to"),
        ({"to": "a@-b.org"}, "to"),
        ({"to": "a@b..org"}, "to"),
        ({"to": "a" * 65 + "@example.org"}, "to"),
        ({"sender": ""}, "sender"),
        ({"headers": {"X-A": "b\r\nc"}}, "headers"),
        ({"headers": {"X A": "b"}}, "headers"),
        ({"headers": {"Bcc": "eve@example.org"}}, "headers"),
        ({"headers": {"content-type": "text/html"}}, "headers"),
        ({"text": ""}, "text"),
        ({"text": "\udc00"}, "text"),
        ({"attachments": (Attachment("a\nb", "text/plain", b""),)}, "attachments"),
        ({"attachments": (Attachment("../a", "text/plain", b""),)}, "attachments"),
        ({"attachments": (Attachment("a", "text/plain\r\nX: y", b""),)}, "attachments"),
        ({"attachments": (Attachment("a", "message/rfc822", b""),)}, "attachments"),
    ],
)
def test_what_cannot_be_sent_is_named(
    transport: Mailer, outbox: Path, change: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        transport.send(replace(MAIL, **change), transmitting=pytest.fail)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert not outbox.exists()


def test_attachments_over_the_limit_are_refused_together(outbox: Path) -> None:
    half = Attachment("a.bin", "application/octet-stream", b"x" * 600)
    transport = mailer(FilesConfig(outbox, attachment_limit=1200))
    transport.send(replace(MAIL, attachments=(half, half)), transmitting=nothing)
    over = replace(MAIL, message_id="<2@b>", attachments=(half, half, half))
    with pytest.raises(MessageTooLarge, match="larger than 1200 bytes"):
        transport.send(over, transmitting=pytest.fail)


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("ada@example.org", "ada@example.org"),
        ("a.b+c_d@sub.example.org", "a.b+c_d@sub.example.org"),
        ("root@localhost", "root@localhost"),
        ("ada@exämple.org", "ada@xn--exmple-cua.org"),
    ],
)
def test_addresses(address: str, written: str) -> None:
    assert ascii_address(address, field="to") == written


def test_key_keeps_ids_apart_and_is_a_safe_file_name() -> None:
    assert key("<1f0c@turnpike.example>") == KEY
    assert key("<1@a>") != key("<1@b>")
    assert key("<a/b@c>").startswith("a_b-")
    assert key("<A@c>") != key("<a@c>")


def test_html_alone_is_one_html_part() -> None:
    message = build(replace(MAIL, text="", html="<b>x</b>"))
    assert message.get_content_type() == "text/html"


@given(
    st.text(max_size=200).filter(lambda text: all(c.isprintable() for c in text)),
    st.text(max_size=80).filter(lambda text: all(c.isprintable() for c in text)),
    st.text(min_size=1, max_size=300).filter(lambda text: text.isprintable()),
)
def test_any_printable_text_survives_the_trip(subject: str, name: str, text: str) -> None:
    mail = replace(MAIL, subject=subject, sender_name=name, text=text)
    data = bytes(build(mail))
    message = message_from_bytes(data, policy=default)
    assert data.isascii()
    assert set(message.keys()) == {
        "Message-ID", "Date", "From", "To", "Subject", "Auto-Submitted", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert message["From"].addresses[0].addr_spec == "post@turnpike.example"
    assert message.get_content().replace("\r\n", "\n") == text + "\n"
    assert " ".join(message["Subject"].split()) == " ".join(subject.split())
