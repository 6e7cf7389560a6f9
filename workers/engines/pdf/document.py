"""Strips to pages: where each page ends, its foot, the outline, and the finished file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from reportlab import rl_config
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.pdfgen.canvas import Canvas

from pipelines.core.errors import InvalidInput, MessageTooLarge
from workers.engines.pdf.blocks import BAR, MUTED, Strip
from workers.engines.pdf.fonts import Typography
from workers.engines.pdf.markdown import Setter, parse
from workers.engines.pdf.shaping import Span, Style, clean
from workers.engines.pdf.text import Paragraph, Surface
from workers.engines.pdf.types import PdfOptions

_SIZES = {"A4": A4, "LETTER": LETTER}
_SIDE, _TOP, _BOTTOM, _FOOT = 70.0, 66.0, 76.0, 42.0
_FOOT_STYLE = Style(8, MUTED)
_TITLE_CHARACTERS = 300
_DEEPEST_KEEP = 0.4  # of a page: a longer chain of strips that want to stay together is cut

# Nothing here fetches anything; these two see to it that ReportLab would not either.
rl_config.trustedSchemes = []
rl_config.trustedHosts = []


@dataclass(frozen=True)
class _Placed:
    strip: Strip
    top: float  # points below the top of the text area
    gap: float  # what of the strip's gap was used: none at the top of a page


class ReportLabRenderer:
    """Sets Markdown as a report; holds no state, so one serves a whole process."""

    def render(self, markdown: str, options: PdfOptions) -> bytes:
        """Render.

        Args:
            markdown: CommonMark with tables and strikethrough; untrusted.
            options: Title, author, page size and limits.

        Returns:
            The PDF file; the same input gives the same bytes.

        Raises:
            MessageTooLarge: More characters or pages than the options allow.
            InvalidInput: The options themselves make no sense.
        """
        if len(markdown) > options.max_characters:
            raise MessageTooLarge(
                f"The text has more than {options.max_characters} characters.", field="markdown"
            )
        if options.page_size not in _SIZES:
            raise InvalidInput("The page size must be A4 or LETTER.", field="page_size")
        width, height = _SIZES[options.page_size]
        title = _one_line(options.title)
        typography = Typography.for_text(markdown)
        setter = Setter(typography, width - 2 * _SIDE)
        strips = setter.document(parse(markdown), title=title)
        pages = list(_limited(_paginate(strips, height - _TOP - _BOTTOM), options.max_pages))
        target = BytesIO()
        canvas = Canvas(target, pagesize=(width, height), invariant=1, pageCompression=1)
        canvas.setTitle(title)
        canvas.setAuthor(_one_line(options.author))
        canvas.setCreator("Turnpike")
        canvas.setSubject("")
        _Painter(canvas, height, width, typography, title).draw(pages)
        canvas.save()
        return target.getvalue()


def _one_line(text: str) -> str:
    return " ".join(clean(text).split())[:_TITLE_CHARACTERS]


def _limited(pages: Iterable[list[_Placed]], limit: int) -> Iterator[list[_Placed]]:
    for number, page in enumerate(pages, start=1):
        if number > limit:
            raise MessageTooLarge(f"The report has more than {limit} pages.", field="markdown")
        yield page


def _paginate(strips: Iterator[Strip], height: float) -> Iterator[list[_Placed]]:
    """Fill pages; chains of strips that keep together move together."""
    page: list[_Placed] = []
    used = 0.0
    for chain in _chains(strips, height * _DEEPEST_KEEP):
        needed = sum(strip.gap + strip.height for strip in chain)
        whole = needed - chain[0].gap <= height
        for index, strip in enumerate(chain):
            gap = strip.gap if page else 0.0
            rest = needed if index == 0 and whole else gap + strip.height
            if page and used + rest > height:
                yield page
                page, used = _headed(strip, height)
                gap = 0.0
            page.append(_Placed(strip, used + gap, gap))
            used += gap + strip.height
    yield page


def _chains(strips: Iterator[Strip], longest: float) -> Iterator[list[Strip]]:
    chain: list[Strip] = []
    length = 0.0
    for strip in strips:
        chain.append(strip)
        length += strip.gap + strip.height
        if not strip.keep or length > longest:
            yield chain
            chain, length = [], 0.0
    if chain:
        yield chain


def _headed(strip: Strip, height: float) -> tuple[list[_Placed], float]:
    """A new page that begins with the table heading that belongs to its first strip."""
    page: list[_Placed] = []
    used = 0.0
    if sum(heading.height for heading in strip.header) <= height / 3:
        for heading in strip.header:
            page.append(_Placed(heading, used, 0.0))
            used += heading.height
    return page, used


class _Painter:
    def __init__(
        self, canvas: Any, height: float, width: float, typography: Typography, title: str
    ) -> None:
        self._canvas = canvas
        self._surface = Surface(canvas)
        self._height, self._width = height, width
        self._typography = typography
        self._title = title
        self._anchors = 0
        self._depth = -1

    def draw(self, pages: list[list[_Placed]]) -> None:
        for number, page in enumerate(pages, start=1):
            bars: tuple[float, ...] = ()
            for placed in page:
                top = self._height - _TOP - placed.top
                self._bars(placed, bars, top)
                bars = placed.strip.bars
                self._anchor(placed.strip, top)
                placed.strip.paint(self._surface, _SIDE, top)
            self._foot(f"{number} / {len(pages)}")
            self._canvas.showPage()

    def _bars(self, placed: _Placed, before: tuple[float, ...], top: float) -> None:
        """Quote bars run through the gap when the strip above stands in the same quote."""
        for bar in placed.strip.bars:
            above = placed.gap if bar in before else 0.0
            height = placed.strip.height + above
            self._surface.box(_SIDE + bar, top - placed.strip.height, 2.2, height, BAR)

    def _anchor(self, strip: Strip, top: float) -> None:
        if strip.anchor is None:
            return
        title, level = strip.anchor
        self._depth = min(level, self._depth + 1)  # ReportLab allows no jump over a level
        self._anchors += 1
        key = f"h{self._anchors}"
        self._canvas.bookmarkPage(key, fit="XYZ", left=0, top=top + 12)
        self._canvas.addOutlineEntry(title, key, level=self._depth)
        if self._anchors == 1:
            self._canvas.showOutline()

    def _foot(self, number: str) -> None:
        inner = self._width - 2 * _SIDE
        if self._title:
            room = inner - 70
            lines = Paragraph([Span(self._title, _FOOT_STYLE)], self._typography).lines(room)
            self._surface.line(lines[0], _SIDE, _FOOT, room)
        right = Paragraph([Span(number, _FOOT_STYLE)], self._typography).lines(inner)[0]
        self._surface.line(right, _SIDE, _FOOT, inner, "end")
