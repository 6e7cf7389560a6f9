"""From a seed to the faults that it stands for: the same ones whenever and wherever it is run.

Mostly one fault comes after another, in one lane, and no kind twice; every fourth seed has two
lanes, whose faults overlap as they will, but never hold the same thing: neither could heal it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.acceptance.chaos.faults.register import Fault

GAP = (1.0, 4.0)
OVERLAPPING = 4
# Each seed begins with these: what the fence is for, and what the relay is for.
ALWAYS = ("late_waker", "turn_killed_at_point")


@dataclass(frozen=True)
class Planned:
    """One fault to come.

    Attributes:
        at: Seconds after the beginning, or later when its lane is still busy.
        kind: Which fault.
        target: What it strikes.
        seconds: How long it lasts.
    """

    at: float
    kind: str
    target: str
    seconds: float

    def __str__(self) -> str:
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:5.1f} s  {self.kind} {self.target}{lasts}".rstrip()


Lane = tuple[Planned, ...]


def plan(
    seed: int, seconds: float, faults: Sequence[Fault], gap: tuple[float, float] = GAP
) -> tuple[Lane, ...]:
    """Plan the faults of a seed.

    Args:
        seed: Any number.
        seconds: How long faults begin for.
        faults: What may be chosen, in a fixed order.
        gap: The least and the most seconds between one fault of a lane and the next.
    """
    chance = random.Random(seed)
    lanes = 2 if seed % OVERLAPPING == 0 else 1
    always = [fault for fault in faults if fault.kind in ALWAYS]
    chance.shuffle(always)
    planned = [_lane(chance, seconds, faults, gap, always)]
    if lanes > 1:
        held = {_subject(one.kind) for one in planned[0]}
        free = [fault for fault in faults if _subject(fault.kind) not in held]
        planned.append(_lane(chance, seconds, free, gap))
    return tuple(planned)


def _subject(kind: str) -> str:
    """What a fault lays its hands on: the first word of its name."""
    return kind.partition("_")[0]


def _lane(
    chance: random.Random,
    seconds: float,
    faults: Sequence[Fault],
    gap: tuple[float, float],
    first: Sequence[Fault] = (),
) -> Lane:
    planned: list[Planned] = []
    at, begin, left = chance.uniform(*gap), list(first), list(faults)
    while at < seconds and left:
        [drawn] = chance.choices(left, [one.weight for one in left])
        chosen = begin.pop() if begin else drawn
        left.remove(chosen)
        target, lasts = chance.choice(chosen.targets), chance.uniform(*chosen.seconds)
        planned.append(Planned(round(at, 2), chosen.kind, target, round(lasts, 2)))
        at += lasts + chance.uniform(*gap)
    return tuple(planned)
