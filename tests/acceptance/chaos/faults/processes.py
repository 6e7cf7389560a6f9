"""Processes that are killed, told to end, or fall asleep for longer than their lease."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from tests.acceptance.chaos.faults.register import fault
from tests.acceptance.chaos.world import WORKERS, World

# A model that takes ten seconds to load is killed less often than the rest.
_QUICK = tuple(name for name in WORKERS if name != "embed")
_RELAYS, _BEATS = ("relay", "relay-2"), ("beat", "beat-2")


def _kill(world: World, target: str) -> Iterator[None]:
    world.supervisor.send(target, signal.SIGKILL)
    yield


def _suspend(world: World, target: str) -> Iterator[None]:
    world.supervisor.suspend(target)
    yield
    world.supervisor.wake(target)


def _term(world: World, target: str) -> Iterator[None]:
    world.supervisor.send_to_leader(target, signal.SIGTERM)
    yield


fault("worker_killed", _QUICK, weight=3)(_kill)
fault("embed_killed", ("embed",), weight=0.6)(_kill)
fault("worker_ended_warm", _QUICK, weight=2)(_term)
fault("worker_asleep", WORKERS, seconds=(6.0, 10.0), weight=2)(_suspend)
fault("web_killed", ("web",), weight=2)(_kill)
fault("relay_killed", _RELAYS, weight=1.5)(_kill)
fault("relay_asleep", _RELAYS, seconds=(4.0, 8.0))(_suspend)
fault("beat_killed", _BEATS, weight=1)(_kill)


@fault("relays_killed_together")
def both_relays(world: World, target: str) -> Iterator[None]:
    """Kill both relays."""
    for name in _RELAYS:
        world.supervisor.send(name, signal.SIGKILL)
    yield


@fault("queue_killed_whole", ("llm", "mail", "default", "pdf"), weight=1.5)
def whole_queue(world: World, target: str) -> Iterator[None]:
    """Kill all workers of a queue."""
    for name in (target, f"{target}-2"):
        world.supervisor.send(name, signal.SIGKILL)
    yield
