"""Normalised text and its title, from the bytes of an upload."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from pipelines.knowledge.formats import MARKDOWN, decode
from workers.engines.extract import markdown

TITLE_LENGTH: Final = 120


@dataclass(frozen=True)
class Extracted:
    r"""Text in NFC with `\n` as its only line break; a title of at most `TITLE_LENGTH` of them."""

    text: str
    title: str


def extract(content: bytes, media_type: str) -> Extracted:
    """Read a document.

    Args:
        content: The whole file, UTF-8 with or without a byte order mark.
        media_type: As `sniff` answered.

    Raises:
        InvalidInput: As `pipelines.knowledge.formats.decode` says.
    """
    # The front door has held the upload to its limit; what was accepted is read.
    lines = decode(content, max_bytes=len(content)).replace("\r\n", "\n").replace("\r", "\n")
    text = unicodedata.normalize("NFC", lines)
    heading = markdown.first_heading(text) if media_type == MARKDOWN else ""
    return Extracted(text=text, title=_title(heading or text))


def _title(text: str) -> str:
    first = " ".join(text.strip().split("\n", 1)[0].split())
    return first if len(first) <= TITLE_LENGTH else first[: TITLE_LENGTH - 1].rstrip() + "…"
