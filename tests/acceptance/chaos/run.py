"""One run: people at work, faults as planned, healing, settling, checking."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.chaos import schedule
from tests.acceptance.chaos.checks import Violation, check_all
from tests.acceptance.chaos.evidence import keep_evidence
from tests.acceptance.chaos.facts import Facts, settle
from tests.acceptance.chaos.faults import REGISTER, Missed
from tests.acceptance.chaos.faults.register import Fault
from tests.acceptance.chaos.recovery import Recovery, recoveries
from tests.acceptance.chaos.traffic import Town, town
from tests.acceptance.chaos.world import World

EVIDENCE = Path("build/chaos")
KNOWLEDGE_FAULTS = ("embed_killed", "knowledge_killed_at_point")
PROXY_FAULTS = ("postgres_black_hole", "postgres_cut")


@dataclass(frozen=True)
class Effort:
    """How much of everything.

    Attributes:
        seconds: How long faults begin for, in each round.
        people: How many clients there are.
        pause: The least and the most seconds that each waits between two acts.
        talk: The weight of plain turns among their acts; all else has about 40.
        readers: Every which one of them keeps documents.
        gap: The least and the most seconds between two faults.
        jobs: Rounds are repeated until so many jobs are accepted; one round when 0.
        patience: Seconds without any movement after which what has not ended never will.
        limit: Seconds in all that are given to settle.
    """

    seconds: float = 40.0
    people: int = 4
    pause: tuple[float, float] = (0.05, 0.4)
    talk: float = 60.0
    readers: int = 2
    gap: tuple[float, float] = schedule.GAP
    jobs: int = 0
    patience: float = 60.0
    limit: float = 300.0


@dataclass
class Result:
    """What came of one run."""

    seed: int
    seconds: float = 0.0
    settled_in: float = 0.0
    accepted: int = 0
    states: dict[str, dict[str, int]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    recoveries: list[Recovery] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    heard: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    @property
    def jobs(self) -> int:
        """How many jobs there were, with those that followed from others."""
        return sum(sum(states.values()) for states in self.states.values())


def possible(world: World) -> list[Fault]:
    """The faults that make sense in a world, in their order."""
    shape = world.shape
    without = {*(() if shape.embed else KNOWLEDGE_FAULTS), *(PROXY_FAULTS if shape.brisk else ())}
    return [
        fault
        for fault in REGISTER.values()
        if shape.broker in fault.brokers and fault.kind not in without
    ]


def planned(world: World, seed: int, effort: Effort) -> tuple[schedule.Lane, ...]:
    """The faults of a seed in this world."""
    return schedule.plan(seed, effort.seconds, possible(world), effort.gap)


class _LaneRunner(threading.Thread):
    """Lets the faults of one lane happen, one after another."""

    def __init__(self, world: World, lane: schedule.Lane, result: Result) -> None:
        super().__init__(name="faults", daemon=True)
        self.error: Exception | None = None
        self._world, self._lane, self._result = world, lane, result

    def run(self) -> None:
        began = time.monotonic()
        for planned in self._lane:
            time.sleep(max(0.0, began + planned.at - time.monotonic()))
            try:
                with REGISTER[planned.kind].strike(self._world, planned.target):
                    self._result.faults[planned.kind] += 1
                    time.sleep(planned.seconds)
            except Missed:
                self._result.missed[planned.kind] += 1
            except Exception as error:  # noqa: BLE001 - raised by whoever waits for this thread
                self.error = error
                return


def run_seed(world: World, seed: int, effort: Effort) -> Result:
    """Run one seed, or as many from it on as it takes for the wanted number of jobs."""
    result = Result(seed)
    with town(world, seed, effort.people, effort.talk, effort.readers) as people:
        since = time.time()
        facts = Facts(world, people.journal.emails, since)
        for life in people.lives:
            life.pause = effort.pause
            life.start()
        for number in range(seed, seed + 1_000_000):
            _strike(world, number, effort, result)
            people.check()
            if people.journal.accepted() >= effort.jobs:
                break
        people.end()
        result.settled_in = settle(facts, patience=effort.patience, limit=effort.limit)
        people.hang_up()
        _look(facts, people, random.Random(seed), result)
    result.seconds = time.time() - since
    return result


def _strike(world: World, seed: int, effort: Effort, result: Result) -> None:
    lanes = [_LaneRunner(world, lane, result) for lane in planned(world, seed, effort)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
        if lane.error is not None:
            raise RuntimeError("a fault could not be made or healed") from lane.error


def _look(facts: Facts, people: Town, chance: random.Random, result: Result) -> None:
    result.violations = check_all(facts, people, chance)
    if result.violations:
        keep_evidence(facts.world, EVIDENCE / f"seed-{result.seed}")
    result.accepted = people.journal.accepted()
    result.states, result.failures = facts.states(), facts.failures()
    result.recoveries = recoveries(facts)
    result.unknown = people.journal.total("unknown")
    result.refused = people.journal.total("refused")
    result.heard = people.journal.heard()
