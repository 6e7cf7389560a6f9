"""Ids as OpenAI's clients see them: a word for what it is, and our own id."""

from __future__ import annotations

from uuid import UUID

from api.paths import NIL

RESPONSE, CONVERSATION, MESSAGE, STORE, FILE = "resp", "conv", "msg", "vs", "file"


def shown(word: str, pk: UUID) -> str:
    """Write an id."""
    return f"{word}_{pk.hex}"


def meant(word: str, text: str) -> UUID:
    """Read an id; what is none becomes one that nothing bears, and is not found like any other."""
    try:
        found = UUID(hex=text.removeprefix(f"{word}_"))
    except ValueError:
        return NIL
    return found if shown(word, found) == text else NIL
