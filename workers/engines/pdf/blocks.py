"""Paragraphs, code, tables and rules as strips: the slices between which a page may end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from workers.engines.pdf.text import Align, Line, Paragraph, Surface

INK, MUTED, RULE, SHADE, BAR, LINK = 0x1F2328, 0x59636E, 0xD1D9E0, 0xF5F7F9, 0xC9D1D9, 0x0B57D0

_CODE_PADDING = 7.0
_CELL_PADDING_X, _CELL_PADDING_Y = 6.0, 4.0
_WHOLE_ROW_LINES = 24  # a row of at most so many lines is kept on one page
_NARROWEST_COLUMN = 30.0

Paint = Callable[[Surface, float, float], None]


@dataclass(frozen=True)
class Strip:
    """A slice of the page that is never cut; `paint` takes the surface, left edge and top."""

    height: float
    paint: Paint
    gap: float = 0.0
    keep: bool = False  # stay on the page of the strip that follows
    bars: tuple[float, ...] = ()
    baseline: float = 0.0  # points below the top
    anchor: tuple[str, int] | None = None  # outline title and level
    header: tuple[Strip, ...] = ()  # what a page that begins with this strip repeats first


@dataclass(frozen=True)
class Frame:
    """Where on the measure a block stands: its edges, and the quote bars beside it."""

    left: float
    right: float
    bars: tuple[float, ...] = field(default=())

    @property
    def width(self) -> float:
        """Points between the edges."""
        return self.right - self.left

    def indented(self, amount: float, *, base: int = 0) -> Frame:
        """Narrower by `amount` on the side where reading starts; never too narrow to set text."""
        amount = min(amount, max(self.width - 90, 0))
        if base:
            return replace(self, right=self.right - amount)
        return replace(self, left=self.left + amount)

    def quoted(self, amount: float) -> Frame:
        """With one more bar, as long as there is room for it."""
        inner = self.indented(amount)
        return replace(inner, bars=(*self.bars, self.left)) if inner.left > self.left else inner


def prose(
    paragraph: Paragraph, frame: Frame, *, size: float, leading: float, gap: float = 0.0
) -> list[Strip]:
    """One strip a line; no page ends after a paragraph's first line or before its last."""
    lines = paragraph.lines(frame.width)
    baseline = (leading + size * 0.72) / 2
    count = len(lines)
    return [
        Strip(
            leading,
            _line_painter(line, frame.left, frame.width, baseline),
            gap=gap if index == 0 else 0,
            keep=index < count - 1 and (index in {0, count - 2}),
            bars=frame.bars,
            baseline=baseline,
        )
        for index, line in enumerate(lines)
    ]


def code(
    paragraph: Paragraph, frame: Frame, *, size: float, leading: float, gap: float
) -> list[Strip]:
    """Program text on a shade; long lines wrap, spaces stay."""
    inner = frame.width - 2 * _CODE_PADDING
    lines = paragraph.lines(inner, preserve=True)
    strips = []
    for index, line in enumerate(lines):
        first, last = index == 0, index == len(lines) - 1
        above = _CODE_PADDING if first else 0.0
        height = leading + above + (_CODE_PADDING if last else 0)
        baseline = above + (leading + size * 0.72) / 2
        strips.append(
            Strip(
                height,
                _code_painter(line, frame, inner, baseline, height),
                gap=gap if first else 0,
                keep=not last and (first or index == len(lines) - 2),
                bars=frame.bars,
                baseline=baseline,
            )
        )
    return strips


def rule(frame: Frame, *, gap: float) -> Strip:
    """A thin line across the measure."""

    def paint(surface: Surface, x: float, y: float) -> None:
        surface.box(x + frame.left, y - 1, frame.width, 0.8, RULE)

    return Strip(1, paint, gap=gap, bars=frame.bars)


def blank(frame: Frame, height: float, *, baseline: float, gap: float) -> Strip:
    """An empty line."""
    return Strip(height, lambda *_: None, gap=gap, bars=frame.bars, baseline=baseline)


def fits(columns: int, frame: Frame) -> bool:
    """Whether so many columns leave each one wide enough to be read."""
    return columns * _NARROWEST_COLUMN <= frame.width


def table(
    rows: Sequence[Sequence[Paragraph]],
    aligns: Sequence[Align],
    frame: Frame,
    *,
    size: float,
    leading: float,
    gap: float,
) -> Iterator[Strip]:
    """Set rows in columns; the first row is the heading and comes again on every page.

    Args:
        rows: Cells, as many in each row as there are columns.
        aligns: One a column.
        frame: Where the table stands.
        size: Of the text, in points.
        leading: From line to line, in points.
        gap: Above the table, in points.
    """
    widths = _column_widths(rows, frame.width)
    heading = tuple(_row(rows[0], widths, aligns, frame, size, leading, heading=True))
    for index, strip in enumerate(heading):
        yield replace(strip, gap=gap if index == 0 else 0, keep=True)
    for row in rows[1:]:
        for strip in _row(row, widths, aligns, frame, size, leading, heading=False):
            yield replace(strip, header=heading)


def _row(
    cells: Sequence[Paragraph],
    widths: Sequence[float],
    aligns: Sequence[Align],
    frame: Frame,
    size: float,
    leading: float,
    *,
    heading: bool,
) -> Iterator[Strip]:
    broken = [
        cell.lines(width - 2 * _CELL_PADDING_X) for cell, width in zip(cells, widths, strict=True)
    ]
    count = max(len(lines) for lines in broken)
    for index in range(count):
        slices = [lines[index] if index < len(lines) else None for lines in broken]
        first, last = index == 0, index == count - 1
        above = _CELL_PADDING_Y if first else 0.0
        height = leading + above + (_CELL_PADDING_Y if last else 0)
        baseline = above + (leading + size * 0.72) / 2
        weight = (0.9 if heading else 0.45) if last else 0.0
        yield Strip(
            height,
            _row_painter(slices, widths, aligns, frame, baseline, height, weight),
            keep=not last and count <= _WHOLE_ROW_LINES,
            bars=frame.bars,
            baseline=baseline,
        )


def _column_widths(rows: Sequence[Sequence[Paragraph]], available: float) -> list[float]:
    """Share the measure out: what each column's words need, then by how long its text is."""
    padding = 2 * _CELL_PADDING_X + 0.1
    columns = list(zip(*rows, strict=True))
    natural = [max(cell.natural_width for cell in column) + padding for column in columns]
    if sum(natural) <= available:
        spare = (available - sum(natural)) / sum(natural)
        return [width * (1 + spare) for width in natural]
    limit = available / len(columns)
    words = [max(cell.longest_word for cell in column) + padding for column in columns]
    least = [min(word, max(limit, _NARROWEST_COLUMN)) for word in words]
    wish = [max(width - low, 0.0) for width, low in zip(natural, least, strict=True)]
    # The square root keeps one very long column from starving the others.
    shares = [part**0.5 for part in wish]
    spare, total = max(available - sum(least), 0.0), sum(shares) or 1.0
    widths = [low + spare * share / total for low, share in zip(least, shares, strict=True)]
    return [width * available / sum(widths) for width in widths]


def _line_painter(line: Line, left: float, width: float, baseline: float) -> Paint:
    def paint(surface: Surface, x: float, y: float) -> None:
        surface.line(line, x + left, y - baseline, width)

    return paint


def _code_painter(line: Line, frame: Frame, inner: float, baseline: float, height: float) -> Paint:
    def paint(surface: Surface, x: float, y: float) -> None:
        # A little overlap hides the seam that viewers draw between two adjoining shades.
        surface.box(x + frame.left, y - height, frame.width, height + 0.2, SHADE)
        surface.line(line, x + frame.left + _CODE_PADDING, y - baseline, inner)

    return paint


def _row_painter(
    slices: Sequence[Line | None],
    widths: Sequence[float],
    aligns: Sequence[Align],
    frame: Frame,
    baseline: float,
    height: float,
    weight: float,
) -> Paint:
    def paint(surface: Surface, x: float, y: float) -> None:
        left = x + frame.left
        for line, width, align in zip(slices, widths, aligns, strict=True):
            if line is not None:
                inner = width - 2 * _CELL_PADDING_X
                surface.line(line, left + _CELL_PADDING_X, y - baseline, inner, align)
            left += width
        if weight:
            colour = MUTED if weight > 0.5 else RULE
            surface.box(x + frame.left, y - height, frame.width, weight, colour)

    return paint
