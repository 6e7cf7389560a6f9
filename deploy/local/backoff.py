"""How long a process that died stays down, and when its deaths are too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

QUICK: Final = 15.0  # seconds; who lived less than this died of its start
MANY: Final = 6  # quick deaths in a row
FIRST: Final = 0.5  # seconds
LONGEST: Final = 30.0  # seconds


@dataclass
class Backoff:
    """The deaths of one process.

    Attributes:
        quick_deaths: How many there were in a row.
    """

    quick_deaths: int = 0

    def died(self, lived: float) -> float:
        """Count a death after so many seconds of life; return the seconds until the next start."""
        self.quick_deaths = self.quick_deaths + 1 if lived < QUICK else 1
        return float(min(LONGEST, FIRST * 2 ** (self.quick_deaths - 1)))

    @property
    def hopeless(self) -> bool:
        """Whether nothing suggests that the next start will fare better."""
        return self.quick_deaths >= MANY
