"""What is not ours goes wrong: the provider of the model, of the e-mails, an endpoint, the disk."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.chaos.faults.register import fault
from tests.acceptance.chaos.world import World

_DIRECTIVES = {
    "429": "error=429 retry_after=1 times=1",
    "500": "error=500 times=2",
    "cut in mid-stream": "disconnect_after=3 times=1",
    "hangs": "hang_after=2 times=1",
    "slow": "latency=1 delta=0.05",
}
_MOODS = ("429", "500", "500 accepted", "cut", "hang")


@fault("provider_answers", tuple(_DIRECTIVES), seconds=(3.0, 6.0), weight=3)
def directive(world: World, target: str) -> Iterator[None]:
    """Have the clients order a fault of the sandbox with each turn."""
    world.directive = f" [[sandbox {_DIRECTIVES[target]}]]"
    yield
    world.directive = ""


@fault("provider_line", ("refused", "cut", "black hole"), seconds=(2.0, 5.0), weight=2)
def line(world: World, target: str) -> Iterator[None]:
    """Spoil the line to the provider."""
    if target == "refused":
        world.to_sandbox.refuse()
    if target == "black hole":
        world.to_sandbox.blackhole()
    else:
        world.to_sandbox.cut()
    yield
    world.to_sandbox.forward()


@fault("mail_provider", _MOODS, seconds=(3.0, 6.0), weight=3)
def mail(world: World, target: str) -> Iterator[None]:
    """Have the provider of e-mails misbehave."""
    world.office.mood = target
    yield
    world.office.mood = "well"


@fault("hooks", ("500", "hangs"), seconds=(3.0, 6.0), weight=1.5)
def hooks(world: World, target: str) -> Iterator[None]:
    """Have whoever is told by webhook refuse to listen."""
    if target == "500":
        world.hooks.status = 500
    else:
        world.hooks.may_answer.clear()
    yield
    world.hooks.status = 200
    world.hooks.may_answer.set()


@fault("disk_full", seconds=(2.0, 4.0), weight=1.5)
def disk(world: World, target: str) -> Iterator[None]:
    """Leave no room for artifacts."""
    world.disk.fill()
    yield
    world.disk.empty()
