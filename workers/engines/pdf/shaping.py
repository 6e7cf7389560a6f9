"""Characters to positioned glyphs: what HarfBuzz makes of a styled paragraph, in reading order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import uharfbuzz as hb

from workers.engines.pdf.bidi import embedding_levels
from workers.engines.pdf.fonts import REPLACEMENT, Face, Typography

_SURROGATES = re.compile(r"[\ud800-\udfff]")
# Controls, soft hyphens, non-characters, and marks that make text read otherwise than it says.
_DROPPED = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]"
)
_BREAKS = re.compile(r"\r\n?|[\u2028\u2029]")
# Letters of a program must stay what they are: no arrows made of "->".
_FEATURES = {True: {"calt": False, "liga": False, "clig": False}, False: {}}


@dataclass(frozen=True)
class Style:
    """How a piece of text looks; sizes in points, colours as 0xRRGGBB."""

    size: float
    colour: int
    bold: bool = False
    italic: bool = False
    mono: bool = False
    strike: bool = False
    boxed: bool = False
    link: str = ""


@dataclass(frozen=True)
class Span:
    """Text in one style."""

    text: str
    style: Style


@dataclass(frozen=True, slots=True)
class Glyph:
    """One drawn shape; offsets and advance in thousandths of the size."""

    index: int
    text: str
    advance: float
    x_offset: float
    y_offset: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """The smallest piece that can stand alone on a line; `width` in points."""

    text: str
    glyphs: tuple[Glyph, ...]
    face: Face
    style: Style
    level: int
    width: float


def clean(text: str) -> str:
    """Drop what no PDF can hold or should; a lone surrogate becomes the replacement sign."""
    return _DROPPED.sub("", _SURROGATES.sub(REPLACEMENT, _BREAKS.sub("\n", text)))


def shape(spans: Sequence[Span], typography: Typography) -> tuple[int, list[Cluster]]:
    """Shape one paragraph (no line breaks inside).

    Args:
        spans: Clean text in its styles, in reading order.
        typography: Which fonts to ask, and in which order.

    Returns:
        The paragraph's direction (0 from left to right, 1 from right to left) and its clusters in
        reading order.
    """
    known = [
        replace(span, text="".join(typography.drawable(character) for character in span.text))
        for span in spans
    ]
    base, levels = embedding_levels("".join(span.text for span in known))
    clusters: list[Cluster] = []
    offset = 0
    for span in known:
        style = span.style
        runs = typography.runs(span.text, bold=style.bold, italic=style.italic, mono=style.mono)
        for start, end, face in runs:
            inside = levels[offset + start : offset + end]
            for first, last, level in _level_runs(inside):
                piece = span.text[start + first : start + last]
                clusters += _shape_run(piece, face, style, level)
        offset += len(span.text)
    return base, clusters


def _level_runs(levels: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    start = 0
    for index in range(1, len(levels) + 1):
        if index == len(levels) or levels[index] != levels[start]:
            yield start, index, levels[start]
            start = index


def _shape_run(text: str, face: Face, style: Style, level: int) -> list[Cluster]:
    buffer = hb.Buffer()
    buffer.cluster_level = hb.BufferClusterLevel.MONOTONE_CHARACTERS
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if level % 2 else "ltr"
    hb.shape(face.font, buffer, _FEATURES[style.mono])
    shaped = list(zip(buffer.glyph_infos, buffer.glyph_positions, strict=True))
    starts = sorted({info.cluster for info, _ in shaped})
    ends = dict(zip(starts, [*starts[1:], len(text)], strict=True))
    groups: dict[int, list[tuple[int, float, float, float]]] = {start: [] for start in starts}
    scale = 1000 / face.units
    for info, position in shaped:
        groups[info.cluster].append(
            (
                info.codepoint,
                position.x_advance * scale,
                position.x_offset * scale,
                position.y_offset * scale,
            )
        )
    return [
        _cluster(text[start : ends[start]], groups[start], face, style, level) for start in starts
    ]


def _cluster(
    text: str, drawn: list[tuple[int, float, float, float]], face: Face, style: Style, level: int
) -> Cluster:
    """Share the cluster's characters out among its glyphs, so that what is copied is the text."""
    extra = max(len(text) - len(drawn), 0)
    shares = [text[: extra + 1], *text[extra + 1 :]]
    shares += [""] * (len(drawn) - len(shares))
    glyphs = tuple(
        Glyph(index, share, advance, x, y)
        for (index, advance, x, y), share in zip(drawn, shares, strict=True)
    )
    width = sum(glyph.advance for glyph in glyphs) * style.size / 1000
    return Cluster(text, glyphs, face, style, level, width)
