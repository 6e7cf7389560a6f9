"""Markdown to strips: what the parser found, set in a report's typography.

The text goes to the shaper as it is: no markup language is ever built from it, so there is nothing
in it to escape and nothing that it could inject.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from pipelines.core.errors import InvalidInput
from workers.engines.pdf import blocks
from workers.engines.pdf.bidi import base_level
from workers.engines.pdf.blocks import INK, LINK, MUTED, Frame, Strip
from workers.engines.pdf.fonts import Typography
from workers.engines.pdf.shaping import Span, Style, clean
from workers.engines.pdf.text import Align, Paragraph, Surface

BODY_SIZE, BODY_LEADING = 10.2, 15.6
CODE_SIZE, CODE_LEADING = 8.8, 13.0
CELL_SIZE, CELL_LEADING = 9.3, 13.4
BLOCK_GAP, LIST_GAP, TIGHT_GAP = 9.0, 6.0, 2.5
LIST_INDENT, QUOTE_INDENT = 19.0, 14.0
CLICKABLE = frozenset({"http", "https", "mailto"})

_BULLETS = "\u2022\u2013"
_MAX_NESTING = 60  # no one writes deeper blocks by hand, and each level costs Python stack
_CONTAINERS = frozenset({"blockquote_open", "list_item_open"})
_OUTLINE_TITLE = 200


@dataclass(frozen=True)
class _Heading:
    size: float
    leading: float
    gap: float
    colour: int = INK


_HEADINGS = {
    1: _Heading(21, 27, 26),
    2: _Heading(15.5, 21, 22),
    3: _Heading(12.4, 18, 17),
    4: _Heading(10.6, 16, 14),
    5: _Heading(10.2, 15.6, 13, MUTED),
    6: _Heading(10.2, 15.6, 13, MUTED),
}


def parse(markdown: str) -> SyntaxTreeNode:
    """Parse CommonMark with tables and strikethrough; HTML in it is plain text.

    Raises:
        InvalidInput: Lists and quotes are nested so deep that the parser would drop their text.
    """
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _MAX_NESTING})
    parser.enable(["table", "strikethrough"])
    tokens = parser.parse(clean(markdown))
    if any(t.level >= _MAX_NESTING - 1 and t.type in _CONTAINERS for t in tokens):
        raise InvalidInput("Lists and quotes are nested too deeply.", field="markdown")
    return SyntaxTreeNode(tokens)


class Setter:
    """Sets the blocks of one document; strips come one by one, so that a page limit can stop it."""

    def __init__(self, typography: Typography, width: float) -> None:
        """Set to a measure of `width` points."""
        self._typography = typography
        self._frame = Frame(0, width)

    def document(self, tree: SyntaxTreeNode, *, title: str = "") -> Iterator[Strip]:
        """Set all blocks; the title stands above unless the text opens with its own heading."""
        first = tree.children[0] if tree.children else None
        if title and not (first is not None and first.type == "heading" and first.tag == "h1"):
            yield from self._heading_strips([Span(title, self._heading_style(1))], 1, self._frame)
        yield from self._blocks(tree.children, self._frame, INK, depth=0)

    def _blocks(
        self, nodes: list[SyntaxTreeNode], frame: Frame, colour: int, depth: int
    ) -> Iterator[Strip]:
        for node in nodes:
            yield from self._block(node, frame, colour, depth)

    def _block(
        self, node: SyntaxTreeNode, frame: Frame, colour: int, depth: int
    ) -> Iterator[Strip]:
        kind = node.type
        if kind == "heading":
            level = int(node.tag[1])
            yield from self._heading_strips(
                self._inline(node, self._heading_style(level)), level, frame
            )
        elif kind == "paragraph":
            gap = TIGHT_GAP if node.hidden else BLOCK_GAP
            spans = self._inline(node, Style(BODY_SIZE, colour))
            yield from self._prose(spans, frame, gap)
        elif kind in {"bullet_list", "ordered_list"}:
            yield from self._list(node, frame, colour, depth)
        elif kind == "blockquote":
            yield from self._blocks(node.children, frame.quoted(QUOTE_INDENT), MUTED, depth)
        elif kind in {"fence", "code_block"}:
            yield from self._code(node.content, frame)
        elif kind == "hr":
            yield blocks.rule(frame, gap=BLOCK_GAP * 1.6)
        elif kind == "table":
            yield from self._table(node, frame, colour)
        elif node.children:
            yield from self._blocks(node.children, frame, colour, depth)
        else:  # nothing else is enabled; text is never dropped in silence
            yield from self._prose([Span(node.content, Style(BODY_SIZE, colour))], frame, BLOCK_GAP)

    def _prose(self, spans: list[Span], frame: Frame, gap: float) -> list[Strip]:
        paragraph = Paragraph(spans, self._typography)
        return blocks.prose(paragraph, frame, size=BODY_SIZE, leading=BODY_LEADING, gap=gap)

    def _heading_style(self, level: int) -> Style:
        return Style(_HEADINGS[level].size, _HEADINGS[level].colour, bold=True)

    def _heading_strips(self, spans: list[Span], level: int, frame: Frame) -> Iterator[Strip]:
        look = _HEADINGS[level]
        strips = blocks.prose(
            Paragraph(spans, self._typography),
            frame,
            size=look.size,
            leading=look.leading,
            gap=look.gap,
        )
        title = " ".join("".join(span.text for span in spans).split())[:_OUTLINE_TITLE]
        anchor = (title, level - 1) if title else None
        for index, strip in enumerate(strips):
            yield replace(strip, keep=True, anchor=anchor if index == 0 else None)

    def _code(self, content: str, frame: Frame) -> Iterator[Strip]:
        text = content.removesuffix("\n").expandtabs(4)
        paragraph = Paragraph([Span(text, Style(CODE_SIZE, INK, mono=True))], self._typography)
        yield from blocks.code(
            paragraph, frame, size=CODE_SIZE, leading=CODE_LEADING, gap=BLOCK_GAP + 1
        )

    def _list(self, node: SyntaxTreeNode, frame: Frame, colour: int, depth: int) -> Iterator[Strip]:
        ordered = node.type == "ordered_list"
        number = int(node.attrs.get("start", 1)) if ordered else 0
        base = base_level(_plain(node))
        widest = f"{number + len(node.children) - 1}."
        indent = max(LIST_INDENT, 6 + 6.0 * len(widest)) if ordered else LIST_INDENT
        inner = frame.indented(indent, base=base)
        for index, item in enumerate(node.children):
            marker = f"{number}." if ordered else _BULLETS[depth % len(_BULLETS)]
            strips = self._blocks(item.children, inner, colour, depth + 1)
            empty = blocks.blank(inner, BODY_LEADING, baseline=BODY_LEADING * 0.735, gap=TIGHT_GAP)
            first = self._marked(next(strips, empty), marker, frame, inner, base)
            yield replace(first, gap=LIST_GAP) if index == 0 and depth == 0 else first
            yield from strips
            number += 1

    def _marked(self, strip: Strip, marker: str, outer: Frame, inner: Frame, base: int) -> Strip:
        """Draw the list item's sign beside its first strip."""
        style = Style(BODY_SIZE, MUTED)
        line = Paragraph([Span(marker, style)], self._typography).lines(1000)[0]
        space = 6.0
        left = inner.right + space if base else inner.left - space - line.width
        left = max(left, outer.left) if not base else left
        paint = strip.paint

        def both(surface: Surface, x: float, y: float) -> None:
            surface.line(line, x + left, y - strip.baseline, line.width)
            paint(surface, x, y)

        return replace(strip, paint=both)

    def _table(self, node: SyntaxTreeNode, frame: Frame, colour: int) -> Iterator[Strip]:
        rows = [row for part in node.children for row in part.children]
        cells = [
            [self._inline(cell, Style(CELL_SIZE, colour, bold=index == 0)) for cell in row.children]
            for index, row in enumerate(rows)
        ]
        if not blocks.fits(len(cells[0]), frame):
            yield from self._records(cells, frame)
            return
        paragraphs = [[Paragraph(spans, self._typography) for spans in row] for row in cells]
        aligns = [_align(cell) for cell in rows[0].children]
        yield from blocks.table(
            paragraphs, aligns, frame, size=CELL_SIZE, leading=CELL_LEADING, gap=BLOCK_GAP + 2
        )

    def _records(self, cells: list[list[list[Span]]], frame: Frame) -> Iterator[Strip]:
        """A table with more columns than a page can hold: each row as a list of name and value."""
        for row in cells[1:]:
            for index, (name, value) in enumerate(zip(cells[0], row, strict=True)):
                gap = BLOCK_GAP if index == 0 else 0
                colon = Span(": ", Style(CELL_SIZE, MUTED))
                yield from self._prose([*name, colon, *value], frame, gap)

    def _inline(self, node: SyntaxTreeNode, style: Style) -> list[Span]:
        spans = [span for child in node.children for span in _spans(child, style)]
        return spans or [Span("", style)]


def _spans(node: SyntaxTreeNode, style: Style) -> Iterator[Span]:
    kind = node.type
    if kind == "code_inline":
        size = round(style.size * 0.9, 2)
        yield Span(node.content, replace(style, size=size, mono=True, boxed=True))
    elif kind == "hardbreak":
        yield Span("\n", style)
    elif kind == "softbreak":
        yield Span(" ", style)
    elif kind == "image":
        source = _clickable(str(node.attrs.get("src", "")))
        alternative = _plain(node) or str(node.attrs.get("src", ""))
        yield Span(alternative, _linked(style, style.link or source))
    elif kind == "link":
        linked = _linked(style, _clickable(str(node.attrs.get("href", ""))))
        for child in node.children:
            yield from _spans(child, linked)
    elif node.children:
        inner = {
            "strong": replace(style, bold=True),
            "em": replace(style, italic=True),
            "s": replace(style, strike=True),
        }.get(kind, style)
        for child in node.children:
            yield from _spans(child, inner)
    else:
        yield Span(clean(node.content), style)


def _linked(style: Style, url: str) -> Style:
    return replace(style, link=url, colour=LINK) if url else style


def _clickable(url: str) -> str:
    """The address when a reader may follow it, else nothing."""
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError:
        return ""
    return url if scheme in CLICKABLE and url.isascii() and url.isprintable() else ""


def _plain(node: SyntaxTreeNode) -> str:
    if node.children:
        return "".join(_plain(child) for child in node.children)
    return clean(node.content)


def _align(cell: SyntaxTreeNode) -> Align:
    style = str(cell.attrs.get("style", ""))
    if "center" in style:
        return "center"
    return "end" if "right" in style else "start"
