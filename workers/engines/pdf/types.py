"""What a PDF renderer takes and promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

PageSize = Literal["A4", "LETTER"]


@dataclass(frozen=True)
class PdfOptions:
    """What a report is called, its paper, and how large it may be."""

    title: str
    author: str = ""
    page_size: PageSize = "A4"
    max_pages: int = 200
    max_characters: int = 500_000


class PdfRenderer(Protocol):
    """Turns Markdown into a PDF file."""

    def render(self, markdown: str, options: PdfOptions) -> bytes:
        """Render untrusted Markdown.

        Args:
            markdown: CommonMark with tables and strikethrough.
            options: Title, author, page size and limits.

        Returns:
            The PDF file; the same input gives the same bytes.

        Raises:
            InvalidInput: The text or the report is longer than the options allow.
        """
        ...
