"""Where the sections and blocks of a Markdown text begin and end, as character offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

SEPARATOR: Final = " › "
# A megabyte of nothing but list marks costs the parser 7 s and 400 MB; of real text, 0.3 s.
MAX_LINES: Final = 50_000
TITLE_LENGTH: Final = 300
_PROSE: Final = frozenset({"paragraph_open", "blockquote_open"})
# Left to the parser, `---`, `title: x`, `---` would be a rule and an underlined heading.
_FRONT_MATTER: Final = re.compile(r"\A---[ \t]*\n(?:[^\n]+\n)*?---[ \t]*(?:\n|\Z)")


@dataclass(frozen=True)
class Block:
    """The top-level block `text[start:end]`, the blank lines after it included.

    `title` is None unless the block is a heading, of level 1 to 6. `prose` says that sentences are
    better places to cut it than lines are.
    """

    start: int
    end: int
    prose: bool
    level: int = 0
    title: str | None = None


@dataclass(frozen=True)
class Section:
    """What stands under one heading (`Guide › Install`), its own line included, without gaps."""

    heading: str
    blocks: tuple[Block, ...]


def first_heading(text: str) -> str:
    """Return the first heading's text without its markup, or an empty string."""
    return next((block.title for block in blocks(text) if block.title), "")


def sections(text: str) -> Iterator[Section]:
    """Cut a text at its headings; the blocks of all sections together are the whole text.

    Only a real heading at the top level cuts: not a `#` in a fence, a quote or a list. A heading
    with nothing of its own goes with the section that follows it.
    """
    path: dict[int, str] = {}
    gathered: list[Block] = []
    for block in blocks(text):
        if block.title is not None:
            if gathered and gathered[-1].title is None:
                yield Section(SEPARATOR.join(filter(None, path.values())), tuple(gathered))
                gathered = []
            path = {level: title for level, title in path.items() if level < block.level}
            path[block.level] = block.title
        gathered.append(block)
    if gathered:
        yield Section(SEPARATOR.join(filter(None, path.values())), tuple(gathered))


def blocks(text: str) -> Iterator[Block]:
    """Yield the top-level blocks, each to where the next begins; together they are the text.

    A text of more than `MAX_LINES` lines is one block of prose: it is read, but not for its
    structure.
    """
    if text.count("\n") > MAX_LINES:
        yield Block(0, len(text), prose=True)
        return
    front = _FRONT_MATTER.match(text)
    skipped = front.end() if front else 0
    body = text[skipped:]
    offsets = list(accumulate((len(line) + 1 for line in body.split("\n")), initial=skipped))
    found = list(_top_level(_block_parser().parse(body), offsets))
    if front or not found:
        found.insert(0, Block(0, 0, prose=not front))
    starts = [0, *(block.start for block in found[1:]), len(text)]
    for block, (start, end) in zip(found, pairwise(starts), strict=True):
        yield Block(start, end, block.prose, block.level, block.title)


def _top_level(tokens: Sequence[Token], offsets: Sequence[int]) -> Iterator[Block]:
    """Yield a block for each token that opens one; its end is not known yet."""
    for at, token in enumerate(tokens):
        if token.level or token.nesting < 0 or token.map is None:
            continue
        start = offsets[token.map[0]]
        if token.type == "heading_open":
            level, title = int(token.tag.removeprefix("h")), _plain(tokens[at + 1].content)
            yield Block(start, start, prose=False, level=level, title=title)
        else:
            yield Block(start, start, prose=token.type in _PROSE)


def _plain(content: str) -> str:
    """Return a heading's words without emphasis, links and code marks, on one line."""
    children = _parser().parseInline(content[:TITLE_LENGTH])[0].children or []
    return " ".join(
        "".join(child.content or " " for child in children if child.nesting == 0).split()
    )


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table")


@cache
def _block_parser() -> MarkdownIt:
    """Return a parser that leaves what is inside a block alone: only headings need it."""
    return MarkdownIt("commonmark").enable("table").disable("inline")
