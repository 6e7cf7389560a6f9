"""What the clients did and were told: the promises that the checks hold the product to."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Person:
    """One account, and what it was promised.

    Attributes:
        email: Its address.
        accepted: Job id -> its kind, of every 202.
        keys: How many creating requests were begun, by the kind of job that each makes.
        unknown: How many of them were never answered, by kind.
        refused: Other answers that ended a request, by kind and status.
        conversations: Conversation id -> its turns' job ids, in the order accepted.
        cancelled: Jobs of which a cancel was answered with 200.
        replayed: Jobs of which a retry was answered with 200.
        documents: Document id -> the word that only it holds.
        deleted: Document id -> when its deletion was answered, in seconds since the epoch.
    """

    email: str
    accepted: dict[str, str] = field(default_factory=dict)
    keys: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    conversations: dict[str, list[str]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    replayed: set[str] = field(default_factory=set)
    documents: dict[str, str] = field(default_factory=dict)
    deleted: dict[str, float] = field(default_factory=dict)


@dataclass
class Journal:
    """All people of one run."""

    people: list[Person] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def join(self, email: str) -> Person:
        """Add an account."""
        with self._lock:
            self.people.append(Person(email))
            return self.people[-1]

    @property
    def emails(self) -> list[str]:
        """Every address."""
        return [person.email for person in self.people]

    def accepted(self) -> int:
        """How many jobs were accepted so far."""
        return sum(len(person.accepted) for person in self.people)

    def total(self, name: str) -> Counter[str]:
        """Add up one of the counts over all people."""
        return sum((getattr(person, name) for person in self.people), Counter[str]())
