"""Which uploads are read, and the text and title that come out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.core.errors import InvalidInput, MessageTooLarge, UnsupportedType
from workers.engines.extract import Extracted, decode, extract, sniff

PLAIN, MARKDOWN = "text/plain", "text/markdown"


@pytest.mark.parametrize(
    ("name", "declared", "head", "expected"),
    [
        ("notes.txt", "", b"hello", PLAIN),
        ("NOTES.TXT", "application/octet-stream", b"hello", PLAIN),
        ("guide.md", "text/plain", b"# Guide", MARKDOWN),
        ("guide.markdown", "", b"# Guide", MARKDOWN),
        ("guide", "text/markdown; charset=utf-8", b"# Guide", MARKDOWN),
        ("guide", "Text/X-Markdown", b"# Guide", MARKDOWN),
        ("", "text/plain", b"hello", PLAIN),
        ("README", "", b"hello", PLAIN),
        ("server.log", "text/plain", b"hello", PLAIN),
        ("notes.txt", "application/pdf", "h\u00e9llo".encode(), PLAIN),
        ("notes.txt", "", b"\xef\xbb\xbfhello", PLAIN),
        ("notes.txt", "", b"", PLAIN),
    ],
)
def test_text_is_recognised(name: str, declared: str, head: bytes, expected: str) -> None:
    assert sniff(name, declared, head) == expected


@pytest.mark.parametrize(
    ("name", "declared", "head", "what"),
    [
        ("paper.pdf", "application/pdf", b"%PDF-1.7", "a PDF"),
        ("notes.txt", "text/plain", b"%PDF-1.7", "a PDF"),
        ("paper.pdf", "text/plain", b"hello", "a PDF"),
        ("letter.docx", "", b"PK\x03\x04\x14\x00", "a Word document"),
        ("letter.doc", "", b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Office document"),
        ("letter.rtf", "text/plain", b"{\\rtf1", "a rich text document"),
        ("x.md", "text/markdown", b"abc\x00def", "binary data"),
        ("photo.txt", "", b"\x89PNG\r\n\x1a\n", "a picture"),
        ("page.html", "text/html", b"<html>", "text/html"),
        ("table.csv", "", b"a,b", "a .csv file"),
    ],
)
def test_anything_else_is_refused_by_name(name: str, declared: str, head: bytes, what: str) -> None:
    with pytest.raises(UnsupportedType) as caught:
        sniff(name, declared, head)

    assert caught.value.detail.startswith(f"This is {what}")
    assert ".txt" in caught.value.detail
    assert ".md" in caught.value.detail


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_text_of_the_wrong_encoding(encoding: str) -> None:
    content = "\ufeffhello".encode(encoding)

    with pytest.raises(InvalidInput) as sniffed:
        sniff("a.txt", "", content)
    with pytest.raises(InvalidInput) as decoded:
        decode(content)

    assert sniffed.value.error_code == decoded.value.error_code == "not_utf8"


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"caf\xe9 au lait", "not_utf8", "byte 3 "),
        (b"\xef\xbb\xbfab\xff", "not_utf8", "byte 5 "),
        (b"cut \xe2\x82", "not_utf8", "byte 4 "),
        (b"surrogate \xed\xa0\x80", "not_utf8", "byte 10 "),
        (b"ab\x00c", "nul_byte", "byte 2."),
        (b"", "empty_document", ""),
        (b"\xef\xbb\xbf \r\n\t", "empty_document", ""),
    ],
)
def test_unreadable_bytes_are_refused_with_their_place(
    content: bytes, code: str, place: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        extract(content, PLAIN)

    assert caught.value.error_code == code
    assert place in caught.value.detail


def test_size_is_limited_to_the_byte() -> None:
    assert decode(b"12345", max_bytes=5) == "12345"
    with pytest.raises(MessageTooLarge):
        decode(b"123456", max_bytes=5)


def test_text_is_normalised() -> None:
    content = "\ufeffcafe\u0301\r\nold mac\rend\n".encode()

    assert extract(content, PLAIN) == Extracted(text="caf\u00e9\nold mac\nend\n", title="caf\u00e9")


@pytest.mark.parametrize(
    ("text", "media_type", "title"),
    [
        ("\n\n  First   line \nsecond", PLAIN, "First line"),
        ("# not a heading", PLAIN, "# not a heading"),
        ("intro\n\n## The *real* `title`\n", MARKDOWN, "The real title"),
        ("Underlined [link](https://x.example)\n=====\n", MARKDOWN, "Underlined link"),
        ("#\n\n# Second", MARKDOWN, "Second"),
        ("```\n# comment\n```\n\nno heading", MARKDOWN, "```"),
        ("---\ntitle: x\n---\n# Real", MARKDOWN, "Real"),
        ("w" * 200, PLAIN, "w" * 119 + "…"),
    ],
)
def test_title_is_the_first_heading_or_line(text: str, media_type: str, title: str) -> None:
    assert extract(text.encode(), media_type).title == title


def test_rules_for_uploads_need_the_standard_library_only() -> None:
    code = """
import sys
import pipelines.knowledge.formats
heavy = {"torch", "faiss", "numpy", "markdown_it", "workers", "django"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
