"""What a fault is: a name, what it may strike, how long it lasts, and how it begins and is healed.

A fault is written as a generator: what stands before its `yield` does the harm, what stands after
it heals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.acceptance.chaos.world import World

Strike = Callable[[World, str], Iterator[None]]


class Missed(Exception):
    """The fault found nothing to strike in time."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        kind: Its name.
        targets: What it may strike, each with a word of its own.
        seconds: The least and the most that it lasts.
        weight: How often it is chosen, beside the others.
        brokers: With which brokers it makes sense.
        strike: Begins it as it is entered, heals it as it is left.
    """

    kind: str
    targets: tuple[str, ...]
    seconds: tuple[float, float]
    weight: float
    brokers: tuple[str, ...]
    strike: Callable[[World, str], AbstractContextManager[None]]


REGISTER: dict[str, Fault] = {}


def fault(
    kind: str,
    targets: Sequence[str] = ("",),
    *,
    seconds: tuple[float, float] = (0.0, 0.0),
    weight: float = 1.0,
    brokers: Sequence[str] = ("redis", "rabbitmq"),
) -> Callable[[Strike], Strike]:
    """Register a generator as a fault."""

    def register(strike: Strike) -> Strike:
        made = contextmanager(strike)
        REGISTER[kind] = Fault(kind, tuple(targets), seconds, weight, tuple(brokers), made)
        return strike

    return register
