"""Paragraphs broken into lines, and the surface on which lines are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from workers.engines.pdf.bidi import trailing_reset, visual_order
from workers.engines.pdf.embedding import Fonts
from workers.engines.pdf.fonts import Typography
from workers.engines.pdf.shaping import Cluster, Span, Style, shape

Align = Literal["start", "center", "end"]

_SPACES = " \t\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a\u205f\u3000"
_BREAK_AFTER = "-\u2010\u2013\u2014/\u200b"
_NEVER_FIRST = (
    "\u3001\u3002\uff0c\uff0e\uff09\u300d\u300f\u3011\u3009\u300b\uff01\uff1f\uff1a\uff1b\u30fc\u3005"
    "\u3041\u3043\u3045\u3047\u3049\u3063\u3083\u3085\u3087\u30a1\u30a3\u30a5\u30a7\u30a9\u30c3\u30e3"
    "\u30e5\u30e7)]},.!?:;\u2019\u201d\u2026%"
)
_NEVER_LAST = "\uff08\u300c\u300e\u3010\u3008\u300a([{\u2018\u201c"
_BOX = 0xEFF1F3
_SLACK = 0.01  # points; keeps rounding from breaking a line that was measured to fit


@dataclass(frozen=True)
class Line:
    """One line of clusters in reading order, and the direction of its paragraph."""

    clusters: tuple[Cluster, ...]
    base: int

    @property
    def width(self) -> float:
        """Points from the first shape to the last."""
        return sum(cluster.width for cluster in self.clusters)

    def visual(self) -> list[Cluster]:
        """The clusters from left to right."""
        text = "".join(cluster.text[:1] for cluster in self.clusters)
        levels = trailing_reset(text, [cluster.level for cluster in self.clusters], self.base)
        return [self.clusters[index] for index in visual_order(levels)]


class Paragraph:
    """Styled text, shaped once and broken into lines for any width."""

    def __init__(self, spans: Sequence[Span], typography: Typography) -> None:
        """Shape the text; a newline in it always ends a line."""
        self._pieces = [shape(piece, typography) for piece in _split(spans)]

    @property
    def base(self) -> int:
        """The direction of the first line: 0 from left to right, 1 from right to left."""
        return self._pieces[0][0]

    @property
    def natural_width(self) -> float:
        """Points that the longest unbroken line takes."""
        return max(sum(cluster.width for cluster in clusters) for _, clusters in self._pieces)

    @property
    def longest_word(self) -> float:
        """Points that the widest piece takes that has no good place to break."""
        longest = width = 0.0
        for _, clusters in self._pieces:
            width = 0.0
            for index, cluster in enumerate(clusters):
                if _is_space(cluster) or (index and _may_break(clusters[index - 1], cluster)):
                    width = 0.0
                if not _is_space(cluster):
                    width += cluster.width
                    longest = max(longest, width)
        return longest

    def lines(self, width: float, *, preserve: bool = False) -> list[Line]:
        """Break into lines.

        Args:
            width: Points that a line may take; a single wider shape stands alone on its line.
            preserve: Keep the spaces at the start of a line, as program text needs it.
        """
        return [
            Line(tuple(clusters), base)
            for base, piece in self._pieces
            for clusters in _fill(piece, width, preserve=preserve)
        ]


class Surface:
    """A ReportLab canvas that draws shaped lines; lengths in points, y grows upward."""

    def __init__(self, canvas: Any) -> None:
        """Draw on a canvas."""
        self.canvas = canvas
        self._fonts = Fonts(canvas)

    def line(self, line: Line, x: float, y: float, width: float, align: Align = "start") -> None:
        """Draw a line with its baseline at `y`, inside `width` points that begin at `x`."""
        free = width - line.width
        start = {"start": free * line.base, "center": free / 2, "end": free * (1 - line.base)}
        x += start[align] if free > 0 else 0
        for style, group in groupby(line.visual(), key=lambda cluster: cluster.style):
            clusters = list(group)
            length = sum(cluster.width for cluster in clusters)
            self._styled(clusters, style, x, y, length)
            x += length

    def box(self, x: float, y: float, width: float, height: float, colour: int) -> None:
        """Fill a rectangle whose lower left corner is at (x, y)."""
        self._operate(f"{_rgb(colour)} rg {x:.2f} {y:.2f} {width:.2f} {height:.2f} re f")

    def _styled(
        self, clusters: list[Cluster], style: Style, x: float, y: float, length: float
    ) -> None:
        if style.boxed:
            self.box(x - 1.5, y - 0.3 * style.size, length + 3, 1.3 * style.size, _BOX)
        pen = x
        for _, group in groupby(clusters, key=lambda cluster: cluster.face.name):
            members = list(group)
            self._glyphs(members, pen, y)
            pen += sum(cluster.width for cluster in members)
        if style.strike:
            self.box(x, y + 0.28 * style.size, length, 0.06 * style.size, style.colour)
        if style.link:
            area = (x, y - 0.25 * style.size, x + length, y + 0.9 * style.size)
            self.canvas.linkURL(style.link, area, relative=0, thickness=0)

    def _glyphs(self, clusters: list[Cluster], x: float, y: float) -> None:
        """Show glyphs of one face and style; `drift` is how far the viewer's pen is from ours."""
        style = clusters[0].style
        embedded = self._fonts.get(clusters[0].face)
        scale = 1000 / embedded.face.units
        shown: list[str] = []
        drift = rise = 0.0
        for glyph in (glyph for cluster in clusters for glyph in cluster.glyphs):
            if glyph.y_offset != rise:
                rise = glyph.y_offset
                shown.append(f"] TJ {rise * style.size / 1000:.3f} Ts [")
            adjust = round(drift - glyph.x_offset)
            if adjust:
                shown.append(f"{adjust}")
            shown.append(f"<{embedded.code(glyph):04X}>")
            nominal = round(embedded.face.font.get_glyph_h_advance(glyph.index) * scale)
            drift += nominal - adjust - glyph.advance
        operands = "".join(shown).replace("><", "")
        lift = " 0 Ts" if rise else ""
        self._operate(
            f"BT {_rgb(style.colour)} rg /{embedded.name} {style.size:g} Tf "
            f"1 0 0 1 {x:.2f} {y:.2f} Tm [{operands}] TJ{lift} ET"
        )

    def _operate(self, operators: str) -> None:
        self.canvas.addLiteral(operators)


def _split(spans: Sequence[Span]) -> list[list[Span]]:
    pieces: list[list[Span]] = [[]]
    for span in spans:
        first, *others = span.text.split("\n")
        pieces[-1].append(Span(first, span.style))
        pieces += [[Span(text, span.style)] for text in others]
    return pieces


def _fill(clusters: list[Cluster], width: float, *, preserve: bool) -> Iterator[list[Cluster]]:
    start, place, used = 0, 0, 0.0
    for index, cluster in enumerate(clusters):
        if index > start and _may_break(clusters[index - 1], cluster):
            place = index
        while index > start and used + cluster.width > width + _SLACK and not _is_space(cluster):
            cut = place if place > start else index
            yield _trimmed(clusters[start:cut])
            start = cut if preserve else _skip_spaces(clusters, cut, index)
            used = sum(member.width for member in clusters[start:index])
        used += cluster.width
    yield _trimmed(clusters[start:])


def _skip_spaces(clusters: list[Cluster], start: int, end: int) -> int:
    while start < end and _is_space(clusters[start]):
        start += 1
    return start


def _trimmed(clusters: list[Cluster]) -> list[Cluster]:
    end = len(clusters)
    while end and _is_space(clusters[end - 1]):
        end -= 1
    return clusters[:end]


def _is_space(cluster: Cluster) -> bool:
    return cluster.text in _SPACES if len(cluster.text) == 1 else False


def _may_break(before: Cluster, after: Cluster) -> bool:
    last, first = before.text[-1:], after.text[:1]
    if last in _SPACES or first in _SPACES:
        return last in _SPACES and first not in _SPACES
    if last in _BREAK_AFTER:
        return first.isalnum()
    if _is_ideograph(last) or _is_ideograph(first):
        return first not in _NEVER_FIRST and last not in _NEVER_LAST
    return False


def _is_ideograph(character: str) -> bool:
    return (
        "\u2e80" <= character <= "\u9fff"
        or "\uf900" <= character <= "\ufaff"
        or "\uff01" <= character <= "\uff60"
        or "\U00020000" <= character <= "\U0003ffff"
    )


def _rgb(colour: int) -> str:
    return " ".join(f"{(colour >> shift & 255) / 255:.3g}" for shift in (16, 8, 0))
