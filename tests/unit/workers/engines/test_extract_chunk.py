"""Pieces of a document: where it is cut, what overlaps, and that nothing is lost."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.engines.extract import Piece, chunk
from workers.engines.extract.markdown import MAX_LINES

PLAIN, MARKDOWN = "text/plain", "text/markdown"


def pieces(text: str, media_type: str = MARKDOWN, **sizes: int) -> list[Piece]:
    return list(chunk(text, media_type, **sizes))


def test_short_text_is_one_piece_without_its_margins() -> None:
    assert pieces("\n  hello world\n\n", PLAIN) == [Piece(0, "hello world", "", 3, 14)]


@pytest.mark.parametrize("media_type", [PLAIN, MARKDOWN])
def test_blank_text_has_no_pieces(media_type: str) -> None:
    assert pieces(" \n\t\n", media_type) == []


def test_headings_cut_and_name_their_path() -> None:
    text = (
        "before\n\n# Guide\n\nintro\n\n## Install\n\nsteps\n\n"
        "### *Linux*\n\napt\n\n## Use\n\nrun\n\nLast\n====\n\nend\n"
    )

    assert [(piece.heading, piece.text) for piece in pieces(text)] == [
        ("", "before"),
        ("Guide", "# Guide\n\nintro"),
        ("Guide › Install", "## Install\n\nsteps"),
        ("Guide › Install › Linux", "### *Linux*\n\napt"),
        ("Guide › Use", "## Use\n\nrun"),
        ("Last", "Last\n====\n\nend"),
    ]


def test_heading_with_nothing_of_its_own_goes_with_the_next() -> None:
    text = "# Guide\n\n## Install\n\nsteps\n\n## Empty\n\n### Also empty\n"

    assert [(piece.heading, piece.text) for piece in pieces(text)] == [
        ("Guide › Install", "# Guide\n\n## Install\n\nsteps"),
        ("Guide › Empty › Also empty", "## Empty\n\n### Also empty"),
    ]


@pytest.mark.parametrize(
    "inside",
    [
        "```\n# not a heading\n```",
        "~~~sh\n# not a heading\n\n## nor this\n~~~",
        "    # indented code\n",
        "> # quoted\n> text",
        "- # in a list\n- item",
        "```\nnever closed\n# not a heading",
    ],
)
def test_only_real_headings_cut(inside: str) -> None:
    found = pieces(f"# One\n\ntext\n\n{inside}\n")

    assert [piece.heading for piece in found] == ["One"]


def test_plain_text_has_no_headings() -> None:
    assert [piece.heading for piece in pieces("# a\n\n# b", PLAIN)] == [""]


def test_front_matter_is_no_heading() -> None:
    found = pieces("---\ntitle: x\ntags: y\n---\n\n# Real\n\ntext")

    assert [piece.heading for piece in found] == ["", "Real"]
    assert found[0].text == "---\ntitle: x\ntags: y\n---"


def test_paragraphs_are_joined_up_to_the_target() -> None:
    text = "aaaa aaaa\n\nbbbb bbbb\n\ncccc cccc"

    found = pieces(text, PLAIN, target=20, limit=30, overlap=0)

    assert [piece.text for piece in found] == ["aaaa aaaa\n\nbbbb bbbb", "cccc cccc"]


def test_block_within_the_limit_is_kept_whole() -> None:
    text = "a. " * 9 + "end\n\n" + "b. " * 9 + "end"  # 30 characters each

    found = pieces(text, PLAIN, target=20, limit=30, overlap=0)

    assert [len(piece.text) for piece in found] == [30, 30]


def test_long_paragraph_is_cut_between_sentences() -> None:
    text = "One two three. Four five six! Seven eight nine? Ten."

    found = pieces(text, PLAIN, target=30, limit=32, overlap=0)

    assert [piece.text for piece in found] == [
        "One two three. Four five six!",
        "Seven eight nine? Ten.",
    ]


def test_long_fence_is_cut_between_lines() -> None:
    text = "```\n" + "".join(f"line {n}. more\n" for n in range(6)) + "```"

    found = pieces(text, target=40, limit=45, overlap=0)

    assert [piece.text for piece in found] == [
        "```\nline 0. more\nline 1. more",
        "line 2. more\nline 3. more\nline 4. more",
        "line 5. more\n```",
    ]


def test_unbroken_text_is_cut_hard() -> None:
    found = pieces("x" * 25, PLAIN, target=10, limit=12, overlap=2)

    assert [(piece.start, piece.end) for piece in found] == [(0, 10), (8, 20), (18, 25)]


def test_overlap_begins_with_a_sentence_or_else_a_word() -> None:
    sentences = "First sentence here. Second one. Third sentence follows it."
    words = "alpha beta gamma delta epsilon zeta eta theta iota kappa"

    by_sentence = pieces(sentences, PLAIN, target=34, limit=40, overlap=16)
    by_word = pieces(words, PLAIN, target=30, limit=40, overlap=9)

    assert [piece.text for piece in by_sentence] == [
        "First sentence here. Second one.",
        "Second one. Third sentence follows it.",
    ]
    assert [piece.text for piece in by_word] == [
        "alpha beta gamma delta epsilon",
        "epsilon zeta eta theta iota",
        "iota kappa",
    ]


def test_overlap_stays_under_its_heading() -> None:
    text = "# One\n\n" + "alpha beta. " * 5 + "\n\n# Two\n\ngamma"

    found = pieces(text, target=30, limit=40, overlap=15)

    assert found[-1].text == "# Two\n\ngamma"


def test_chinese_sentences_are_boundaries() -> None:
    found = pieces("今天天气很好。我们去公园。明天下雨。", PLAIN, target=14, limit=15, overlap=0)

    assert [piece.text for piece in found] == ["今天天气很好。我们去公园。", "明天下雨。"]


@pytest.mark.parametrize(
    "sizes",
    [
        {"target": 10, "limit": 9, "overlap": 0},
        {"target": 10, "limit": 10, "overlap": 10},
        {"target": 10, "limit": 10, "overlap": -1},
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="does not hold"):
        pieces("text", PLAIN, **sizes)


@pytest.mark.parametrize(
    "text",
    [
        "# a\n" * (MAX_LINES - 1),
        "- a\n" * (MAX_LINES - 1),
        "# " + "[" * 300_000,
        "x" + " " * 500_000,
    ],
    ids=["headings", "lists", "brackets", "spaces"],
)
def test_hostile_text_takes_seconds_at_most(text: str) -> None:
    began = time.monotonic()

    found = pieces(text)

    assert time.monotonic() - began < 15
    assert all(len(piece.text) <= 1_200 for piece in found)


def test_endless_lines_are_read_without_their_structure() -> None:
    found = pieces("# One\n\nbody\n" * (MAX_LINES // 3 + 1))

    assert {piece.heading for piece in found} == {""}
    assert found[0].text.startswith("# One\n\nbody")


lines = st.sampled_from(
    [
        "", "", "# Head", "## Sub *x*", "####### seven", "```", "~~~", "    code", "- item",
        "> quote", "Title\n===", "---", "|a|b|\n|-|-|\n|1|2|", "[ref]: /x", "word " * 12,
        "One. Two! Three?", "y" * 70, "  \t ", "e\u0301\u4f60\u597d\u3002", "\u2028\x0b\x1c",
    ]
)  # fmt: skip
documents = st.one_of(
    st.lists(lines, max_size=25).map("\n".join),
    st.text(alphabet="ab .\n#`-\t\u3002", max_size=300),
    st.text(max_size=200).map(lambda text: text.replace("\r", "\n")),
)
SIZES = st.tuples(st.integers(1, 80), st.integers(0, 40), st.integers(0, 79)).map(
    lambda drawn: (drawn[0], drawn[0] + drawn[1], min(drawn[2], drawn[0] - 1))
)


@settings(max_examples=400, deadline=None)
@given(text=documents, media_type=st.sampled_from([PLAIN, MARKDOWN]), sizes=SIZES)
def test_pieces_cover_the_text_in_order_and_within_the_limit(
    text: str, media_type: str, sizes: tuple[int, int, int]
) -> None:
    target, limit, overlap = sizes

    found = pieces(text, media_type, target=target, limit=limit, overlap=overlap)

    assert [piece.position for piece in found] == list(range(len(found)))
    covered: set[int] = set()
    for piece in found:
        assert piece.text == text[piece.start : piece.end]
        assert piece.text == piece.text.strip() != ""
        assert len(piece.text) <= limit
        covered.update(range(piece.start, piece.end))
    assert [at for at, char in enumerate(text) if not char.isspace() and at not in covered] == []
    for before, after in pairwise(found):
        assert before.start < after.start
        assert before.end < after.end
        assert before.end - after.start <= overlap
