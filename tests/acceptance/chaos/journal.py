"""What the clients did and were told: the promises that the checks hold the product to."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Heard:
    """What a person has read of one turn, or a program of one response, over many streams.

    Attributes:
        place: The number of the last event.
        text: The deltas since the text last began.
        end: How the job ended, as the last event said.
        cuts: How often the stream was cut, or left.
        is_out_of_order: Whether an event came twice, or after a later one.
    """

    place: int | None = None
    text: str = ""
    end: str = ""
    cuts: int = 0
    is_out_of_order: bool = False

    def take(self, event: dict[str, Any]) -> None:
        """Read one event."""
        number = event["sequence_number"]
        self.is_out_of_order |= self.place is not None and number <= self.place
        self.place, self.end = number, event["type"]
        if event["type"] == "text.restarted" or _is_another_message(event):
            self.text = ""
        self.text += event.get("delta", "")


def _is_another_message(event: dict[str, Any]) -> bool:
    """Whether a text begins, or begins afresh, in OpenAI's words."""
    if event["type"] != "response.output_item.added":
        return False
    return bool(event["item"]["type"] == "message")


@dataclass
class Person:
    """One account, and what it was promised.

    Attributes:
        email: Its address.
        accepted: Job id -> its kind, of every 202.
        turns: The turns among them, in the order accepted; another thread may read them meanwhile.
        keys: How many creating requests were begun, by the kind of job that each makes.
        unknown: How many of them were never answered, by kind.
        refused: Other answers that ended a request, by kind and status.
        conversations: Conversation id -> its turns' job ids, in the order accepted.
        cancelled: Jobs of which a cancel was answered with 200.
        replayed: Jobs of which a retry was answered with 200.
        documents: Document id -> the word that only it holds.
        heard: Turn's job id -> what was read of its stream, to its end.
        responses: Ids of what a program of theirs asked for under /v1, in the order accepted.
        told: Response's id -> what was read of its stream, to its end.
        withdrawn: Responses of which a cancel was answered with what is cancelled.
        deleted: Document id -> when its deletion was answered, in seconds since the epoch.
    """

    email: str
    accepted: dict[str, str] = field(default_factory=dict)
    turns: list[str] = field(default_factory=list)
    keys: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    conversations: dict[str, list[str]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    replayed: set[str] = field(default_factory=set)
    heard: dict[str, Heard] = field(default_factory=dict)
    responses: list[str] = field(default_factory=list)
    told: dict[str, Heard] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
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

    def heard(self) -> Counter[str]:
        """How many texts were read to their end, and how often a stream was cut on the way."""
        heard = [one for person in self.people for one in person.heard.values()]
        told = [one for person in self.people for one in person.told.values()]
        cuts = sum(one.cuts for one in (*heard, *told))
        return Counter(turns=len(heard), responses=len(told), cuts=cuts)

    def total(self, name: str) -> Counter[str]:
        """Add up one of the counts over all people."""
        return sum((getattr(person, name) for person in self.people), Counter[str]())
