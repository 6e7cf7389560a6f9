"""What a check returns when an invariant does not hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Violation:
    """One thing that must not be, with the ids by which a person can follow it up.

    Attributes:
        invariant: `I1` to `I9`, as the design names them.
        what: A sentence.
        ids: Names and values; all are texts.
    """

    invariant: str
    what: str
    ids: Mapping[str, str]

    def __str__(self) -> str:
        named = " ".join(f"{name}={value}" for name, value in self.ids.items())
        return f"{self.invariant}  {self.what}  {named}"


def each(invariant: str, what: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Violation]:
    """Make one violation of every row."""
    for row in rows:
        ids = {name: str(value) for name, value in row.items()}
        yield Violation(invariant, what, ids)
