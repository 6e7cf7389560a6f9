"""The text that the sandbox answers with."""

from __future__ import annotations

from deploy.local.sandbox.answers import pieces, reply, without_reference
from tests.unit.deploy.sandbox_client import PASSAGES, QUESTION


def test_a_roadmap_is_a_whole_document_with_quotes() -> None:
    text = reply("Make me a RoadMap for our lease", PASSAGES)

    assert "finalized AI roadmap" in text
    assert text.count("This is the sandbox model") == 1
    assert "# Roadmap: Make me a RoadMap for our lease\n" in text
    assert "\n- A lease is a claim that runs out. [3]\n" in text
    assert "\n| Phase | Weeks | Result |\n|---|---|---|\n" in text
    assert "\n1. Name one person" in text
    assert text.count("```") == 2
    assert "".join(pieces(text)) == text


def test_common_words_alone_find_nothing() -> None:
    assert "found nothing" in reply("What is it that you have?", PASSAGES)


def test_questions_in_scripts_without_blanks_find_their_sentence() -> None:
    block = (
        '<reference_material>\n<passage number="1" title="x">\n'
        "\u732b\u306f\u5bdd\u308b\u3002\u79df\u501f\u6709\u671f\u9650\u3002\n"
        "</passage>\n</reference_material>"
    )

    assert reply("\u79df\u501f\u662f\u4ec0\u4e48", block).endswith(
        "\u201c\u79df\u501f\u6709\u671f\u9650\u3002\u201d [1]"
    )


def test_a_long_question_is_named_by_its_first_words() -> None:
    assert reply(
        "one two three four five six seven eight nine ten eleven twelve more", ""
    ).endswith(
        "about \u201cone two three four five six seven eight nine ten eleven twelve\u2026\u201d."
    )


def test_the_question_is_what_stands_outside_the_reference_material() -> None:
    assert without_reference(PASSAGES + QUESTION) == QUESTION
