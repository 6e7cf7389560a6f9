"""What the sandbox says: always the same to the same question, quoted from what it was given."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deploy.local.sandbox.roadmap import roadmap

_BLOCK = re.compile(r"<reference_material>.*?</reference_material>\s*", re.DOTALL)
_PASSAGE = re.compile(r'<passage number="(\d+)"[^>]*>\n(.*?)\n</passage>', re.DOTALL)
# A single line break inside a paragraph is where an editor wrapped it; a block begins a sentence.
_SENTENCE_END = re.compile(
    r"(?<=[.!?])\s+|\n{2,}|\n(?=\s*(?:[-*#>|`]|\d+\.))|(?<=[\u3002\uff01\uff1f])\s*"
)
# A CJK character counts as a word, since those scripts put no blanks between words.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
_PIECE = re.compile(r"\s*\S+(?:\s+$)?")
_EMPTY = (
    "a about an and are as at be by can could do does for from give has have how i in is it its me "
    "my of on or our please should tell that the their this to us was we were what when where "
    "which who why will with would you your"
)
_EMPTY_WORDS = frozenset(_EMPTY.split())
_QUOTES = 3
_TOPIC_WORDS = 12
_INTRODUCTION = "This is the sandbox model; it quotes and does not think."


@dataclass(frozen=True)
class Quote:
    """A sentence of passage `number` that fits the question."""

    number: int
    text: str


def without_reference(message: str) -> str:
    """Take the block of passages out of a message, which leaves the question."""
    return _BLOCK.sub("", message).strip()


def reply(question: str, reference: str) -> str:
    """Answer a question.

    Args:
        question: The last user message without passages and directives.
        reference: All text that may hold passages.
    """
    found = quotes(question, reference)
    if "roadmap" in question.lower():
        sources = [f"{quote.text} [{quote.number}]" for quote in found]
        return roadmap(_INTRODUCTION, topic(question), sources)
    if not found:
        return (
            f"{_INTRODUCTION} It found nothing in the knowledge base about "
            f"\u201c{topic(question)}\u201d."
        )
    lines = "\n".join(f"- \u201c{quote.text}\u201d [{quote.number}]" for quote in found)
    return f"{_INTRODUCTION} The knowledge base says:\n\n{lines}"


def quotes(question: str, reference: str) -> list[Quote]:
    """Find up to three sentences that share the most words with the question, best first."""
    wanted = _words(question)
    ranked = [
        (-len(wanted & _words(sentence)), order, Quote(int(number), sentence))
        for order, (number, sentence) in enumerate(_sentences(reference))
    ]
    ranked.sort(key=lambda row: row[:2])
    return [quote for score, _, quote in ranked[:_QUOTES] if score < 0]


def topic(question: str) -> str:
    """Name what a question is about: its first words, on one line."""
    words = question.split()
    return " ".join(words[:_TOPIC_WORDS]).rstrip("?.!") + ("…" if words[_TOPIC_WORDS:] else "")


def pieces(text: str) -> list[str]:
    """Cut a text into the word-sized deltas in which it is streamed."""
    return _PIECE.findall(text)


def count_words(text: str) -> int:
    """Count words, the sandbox's tokens."""
    return len(text.split())


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower())) - _EMPTY_WORDS


def _sentences(reference: str) -> list[tuple[str, str]]:
    return [
        (number, " ".join(sentence.split()))
        for block in _BLOCK.findall(reference)
        for number, text in _PASSAGE.findall(block)
        for sentence in _SENTENCE_END.split(text)
        if sentence.strip()
    ]
