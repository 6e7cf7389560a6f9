"""Deaths and sleeps at a named point of a step, of the front door, and of the relay."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

from tests.acceptance.chaos.faults.register import Missed, fault
from tests.acceptance.chaos.world import World

# Seconds that somebody has to come by in.
PATIENCE = 8.0
POINTS = ("begun", "worked", "recording", "recorded")
TURN = ("chat.generate", "chat.finish")
REPORT = ("reports.render", "mail.send")
KNOWLEDGE = (
    "chat.retrieve",
    "knowledge.extract",
    "knowledge.chunk",
    "knowledge.embed",
    "knowledge.index",
    "knowledge.search",
)


def _points(steps: tuple[str, ...], points: tuple[str, ...] = POINTS) -> list[str]:
    return [f"{step}.{point}" for step, point in itertools.product(steps, points)]


def _ask(world: World, point: str, order: str) -> int:
    """Ask for a death or a sleep, and wait for it; return the process's id.

    Raises:
        Missed: Nobody came by in time.
    """
    asked = world.control / point
    draft = asked.with_suffix(".draft")
    draft.write_text(order)
    draft.rename(asked)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for taken in world.control.glob(f"{point}.*.taken"):
            taken.unlink()
            return int(taken.name.split(".")[-2])
        time.sleep(0.05)
    asked.unlink(missing_ok=True)
    raise Missed


def _die(world: World, target: str) -> Iterator[None]:
    _ask(world, target, "KILL")
    yield


def _sleep(world: World, target: str) -> Iterator[None]:
    name = world.supervisor.slept(_ask(world, target, "STOP"))
    yield
    if name:
        world.supervisor.wake(name)


fault("turn_killed_at_point", _points(TURN), weight=3)(_die)
fault("report_killed_at_point", _points(REPORT), weight=2)(_die)
fault("knowledge_killed_at_point", _points(KNOWLEDGE), weight=1)(_die)
fault("killed_after_mail_accepted", ("mail.send.accepted",), weight=1.5)(_die)
fault("web_killed_after_commit", ("web.committed",), weight=2)(_die)
fault("relay_killed_before_publish", ("relay.marked",), weight=1)(_die)
# Longer than the lease and the time in which somebody else does the step again.
_LATE = (9.0, 12.0)
# A reply and a file are guarded by a constraint, too; a generation by the fence alone.
fault("late_waker", _points(TURN[:1], ("worked", "begun")), seconds=_LATE, weight=3)(_sleep)
fault(
    "late_waker_elsewhere",
    _points((*TURN[1:], *REPORT), ("worked", "begun")),
    seconds=_LATE,
    weight=2,
)(_sleep)


@fault("pool_child_killed", _points(("reports.render",), ("worked", "recording")))
def child(world: World, target: str) -> Iterator[None]:
    """Kill a process of the pool, and leave its parent alive."""
    _ask(world, target, "CHILD")
    yield
