"""Cutting a text into pieces of a size to embed, each with its heading and its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from pipelines.knowledge.formats import MARKDOWN
from workers.engines.extract.markdown import Block, Section, sections

_BLANK_LINES: Final = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE: Final = re.compile(r"""[.!?…]["')\]»”’]*\s+|[。！？]\s*""")
_LINE: Final = re.compile(r"\n")
_WORD: Final = re.compile(r"\s+")
# Where a block that is too long is cut: at the first kind of place that leaves parts short enough.
_PROSE_CUTS: Final = (_SENTENCE, _LINE, _WORD)
_LINES_CUTS: Final = (_BLANK_LINES, _LINE, _SENTENCE, _WORD)


@dataclass(frozen=True)
class Piece:
    """One retrievable part of a document.

    `text == document[start:end]` exactly (offsets in characters of `Extracted.text`); it neither
    begins nor ends with white space. Pieces are in order, `position` counts them from 0, and every
    character of the document that is not white space is in at least one of them.
    """

    position: int
    text: str
    heading: str
    start: int
    end: int


@dataclass(frozen=True)
class _Sizes:
    target: int
    limit: int
    overlap: int


def chunk(
    text: str, media_type: str, *, target: int = 900, limit: int = 1_200, overlap: int = 120
) -> Iterator[Piece]:
    """Cut a document into pieces: at headings first, then paragraphs, sentences, words.

    Args:
        text: As `extract` returned it.
        media_type: `text/markdown` looks for headings, fences, lists and tables; anything else is
            prose.
        target: Characters up to which neighbouring blocks are joined, and to which long ones are
            cut.
        limit: Characters that no piece exceeds; a block up to this long is kept whole.
        overlap: Characters, at most, that a piece repeats from the end of the one before, under one
            heading.

    Raises:
        ValueError: Not `0 <= overlap < target <= limit`.
    """
    if not 0 <= overlap < target <= limit:
        raise ValueError(f"overlap {overlap} < target {target} <= limit {limit} does not hold")
    sizes = _Sizes(target, limit, overlap)
    position = 0
    for section in sections(text) if media_type == MARKDOWN else _paragraphs(text):
        atoms = (atom for block in section.blocks for atom in _atoms(text, block, sizes))
        for start, end in _pack(text, atoms, sizes):
            yield Piece(position, text[start:end], section.heading, start, end)
            position += 1


def _paragraphs(text: str) -> Iterator[Section]:
    spans = _cut(text, 0, len(text), _BLANK_LINES)
    yield Section(heading="", blocks=tuple(Block(start, end, prose=True) for start, end in spans))


def _atoms(text: str, block: Block, sizes: _Sizes) -> Iterator[tuple[int, int]]:
    """Yield the spans of a block that are not cut further: itself, if it is within the limit."""
    if _width(text, block.start, block.end) <= sizes.limit:
        return iter([(block.start, block.end)])
    cuts = _PROSE_CUTS if block.prose else _LINES_CUTS
    return _split(text, block.start, block.end, cuts, sizes.target)


def _split(
    text: str, start: int, end: int, cuts: Sequence[re.Pattern[str]], room: int
) -> Iterator[tuple[int, int]]:
    """Yield adjoining spans of at most `room` characters, cut in the best place that there is."""
    if _width(text, start, end) <= room:
        yield start, end
    elif cuts:
        for part_start, part_end in _cut(text, start, end, cuts[0]):
            yield from _split(text, part_start, part_end, cuts[1:], room)
    else:
        yield from pairwise([*range(start, end, room), end])


def _cut(text: str, start: int, end: int, at: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Yield the adjoining spans between the ends of all matches."""
    last = start
    for match in at.finditer(text, start, end):
        yield last, match.end()
        last = match.end()
    if last < end:
        yield last, end


def _pack(text: str, atoms: Iterable[tuple[int, int]], sizes: _Sizes) -> Iterator[tuple[int, int]]:
    """Join adjoining atoms up to the target; yield trimmed spans, none of them blank."""
    start = end = -1
    for atom_start, atom_end in atoms:
        if not _width(text, atom_start, atom_end):
            continue
        if end < 0:
            start = atom_start
        elif _width(text, start, atom_end) > _room(_width(text, start, end), sizes):
            yield _trim(text, start, end)
            start = _overlap(text, start, end, atom_end, sizes)
        end = atom_end
    if end >= 0:
        yield _trim(text, start, end)


def _room(width: int, sizes: _Sizes) -> int:
    """Return how long a piece of this width may grow: a tiny one further, not to be left alone."""
    return sizes.limit if width <= sizes.overlap else sizes.target


def _overlap(text: str, start: int, end: int, atom_end: int, sizes: _Sizes) -> int:
    """Return where the next piece, up to `atom_end`, begins inside the last one, `start` to `end`.

    At the start of a sentence where there is one, of a word otherwise. A piece no longer than the
    overlap is not repeated, since the next would contain it whole.
    """
    last_start, last_end = _trim(text, start, end)
    room = min(sizes.overlap, sizes.limit - len(text[last_end:atom_end].rstrip()))
    if room <= 0 or last_end - last_start <= sizes.overlap:
        return end
    earliest = last_end - room
    for boundary in (_SENTENCE, _WORD):
        found = boundary.search(text, earliest, last_end)
        if found and found.end() < last_end:
            return found.end()
    return earliest


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """Move both ends inward past white space."""
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), start + len(part.rstrip())


def _width(text: str, start: int, end: int) -> int:
    """Return the number of characters between two offsets, without white space at the ends."""
    return len(text[start:end].strip())
