"""PostgreSQL restarts, ends connections, or cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.chaos.faults.register import fault
from tests.acceptance.chaos.world import DATABASE, World

_TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    f"WHERE datname = '{DATABASE}' AND pid <> pg_backend_pid()"
)


@fault("postgres_restarted", ("fast", "immediate"), weight=2)
def restart(world: World, target: str) -> Iterator[None]:
    """Restart it, in order or as after a crash."""
    world.postgres.restart(target)
    yield


@fault("postgres_connections_ended", ("all", "half"), weight=2)
def terminate(world: World, target: str) -> Iterator[None]:
    """End connections, in the midst of their transactions."""
    half = " AND pid % 2 = 0" if target == "half" else ""
    world.postgres.execute(_TERMINATE + half)
    yield


@fault("postgres_black_hole", seconds=(2.0, 5.0))
def black_hole(world: World, target: str) -> Iterator[None]:
    """Pass no byte on."""
    world.to_postgres.blackhole()
    yield
    world.to_postgres.forward()


@fault("postgres_cut")
def cut(world: World, target: str) -> Iterator[None]:
    """Close every connection on the way."""
    world.to_postgres.cut()
    yield
