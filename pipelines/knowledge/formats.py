"""Which uploads can be read and how bytes become text: one rule for front door and workers."""

from __future__ import annotations

import codecs
from pathlib import PurePath
from typing import Final

from pipelines.core.errors import InvalidInput, MessageTooLarge, UnsupportedType

PLAIN: Final = "text/plain"
MARKDOWN: Final = "text/markdown"
ACCEPTED: Final = "plain text (.txt) and Markdown (.md), in UTF-8"
MAX_BYTES: Final = 5 * 1024 * 1024
HEAD_BYTES: Final = 4096  # as much of an upload as `sniff` wants to see

_BY_SUFFIX: Final = {
    ".txt": PLAIN,
    ".text": PLAIN,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".mdown": MARKDOWN,
    ".mkd": MARKDOWN,
}
_BY_DECLARED: Final = {PLAIN: PLAIN, MARKDOWN: MARKDOWN, "text/x-markdown": MARKDOWN}
_UNDECLARED: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})

_REFUSED_SUFFIX: Final = {
    ".pdf": "a PDF",
    ".doc": "a Word document",
    ".docx": "a Word document",
    ".odt": "an OpenDocument text",
    ".rtf": "a rich text document",
    ".xls": "a spreadsheet",
    ".xlsx": "a spreadsheet",
    ".ppt": "a presentation",
    ".pptx": "a presentation",
    ".epub": "an e-book",
    ".zip": "an archive",
}
_SIGNATURES: Final = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a Word document or an archive"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"{\\rtf", "a rich text document"),
    (b"\x1f\x8b", "an archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x7fELF", "a program"),
)
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def sniff(name: str, declared: str, head: bytes) -> str:
    """Decide an upload's media type: by its content, then its name, then what was declared.

    Args:
        name: The file's name as sent; may be empty.
        declared: The Content-Type as sent, parameters allowed; may be empty.
        head: The first `HEAD_BYTES` bytes, or fewer.

    Returns:
        `text/plain` or `text/markdown`.

    Raises:
        UnsupportedType: It is something else; the detail says what it is and what is accepted.
        InvalidInput: It is text, but in UTF-16 (`not_utf8`).
    """
    _refuse_binary(head)
    suffix = PurePath(name).suffix.lower()
    if suffix in _REFUSED_SUFFIX:
        raise _unsupported(_REFUSED_SUFFIX[suffix])
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    media_type = declared.partition(";")[0].strip().lower()
    if media_type in _BY_DECLARED:
        return _BY_DECLARED[media_type]
    if not suffix and media_type in _UNDECLARED:
        return PLAIN
    raise _unsupported(media_type if media_type not in _UNDECLARED else f"a {suffix} file")


def decode(content: bytes, *, max_bytes: int = MAX_BYTES) -> str:
    """Turn an upload's bytes into text, without a byte order mark, otherwise as they are.

    Raises:
        MessageTooLarge: More than `max_bytes` bytes.
        InvalidInput: `nul_byte` or `not_utf8`, each with the byte's offset, or `empty_document`.
    """
    if len(content) > max_bytes:
        raise MessageTooLarge(f"The document is larger than {max_bytes} bytes.")
    if content.startswith(_UTF16):
        raise _utf16()
    nul = content.find(b"\0")
    if nul >= 0:
        raise InvalidInput(f"There is a NUL byte at byte {nul}.", code="nul_byte")
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        detail = f"The text is not UTF-8: byte {error.start} does not fit."
        raise InvalidInput(detail, code="not_utf8") from error
    if not text.strip():
        raise InvalidInput("The document holds no text.", code="empty_document")
    return text


def _refuse_binary(head: bytes) -> None:
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            raise _unsupported(what)
    if head.startswith(_UTF16):
        raise _utf16()
    if b"\0" in head:
        raise _unsupported("binary data")


def _unsupported(what: str) -> UnsupportedType:
    return UnsupportedType(f"This is {what}; what can be read is {ACCEPTED}.")


def _utf16() -> InvalidInput:
    detail = "The text is not UTF-8: byte 0 begins UTF-16. Save it as UTF-8."
    return InvalidInput(detail, code="not_utf8")
