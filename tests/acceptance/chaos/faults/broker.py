"""The broker restarts, forgets, freezes, is full, or cannot be reached."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from tests.acceptance.chaos.faults.register import fault
from tests.acceptance.chaos.world import World


@fault("redis_restarted", weight=2)
def restart(world: World, target: str) -> Iterator[None]:
    """Kill Redis, which forgets everything, and start it again."""
    world.redis.stop()
    world.redis.start()
    yield


@fault("redis_flushed", weight=2, brokers=("redis",))
def flush(world: World, target: str) -> Iterator[None]:
    """Empty Redis."""
    with world.redis.client() as client:
        client.flushall()
    yield


@fault("redis_frozen", seconds=(2.0, 8.0), weight=2)
def freeze(world: World, target: str) -> Iterator[None]:
    """Let Redis say nothing, with all connections open."""
    world.redis.send(signal.SIGSTOP)
    yield
    world.redis.send(signal.SIGCONT)


@fault("redis_full", seconds=(2.0, 5.0), brokers=("redis",))
def fill(world: World, target: str) -> Iterator[None]:
    """Let Redis refuse every write."""
    with world.redis.client() as client:
        client.config_set("maxmemory", 1)
        yield
        client.config_set("maxmemory", 0)


@fault("broker_black_hole", ("all", "established"), seconds=(3.0, 8.0), weight=2)
def black_hole(world: World, target: str) -> Iterator[None]:
    """Pass no byte on."""
    world.to_broker.blackhole(established_only=target == "established")
    yield
    world.to_broker.forward()


@fault("broker_cut", weight=1.5)
def cut(world: World, target: str) -> Iterator[None]:
    """Close every connection."""
    world.to_broker.cut()
    yield


@fault("broker_refuses", seconds=(2.0, 5.0))
def refuse(world: World, target: str) -> Iterator[None]:
    """Close every connection and let nobody in."""
    world.to_broker.refuse()
    world.to_broker.cut()
    yield
    world.to_broker.forward()


@fault("rabbitmq_purged", weight=2, brokers=("rabbitmq",))
def purge(world: World, target: str) -> Iterator[None]:
    """Empty every queue."""
    assert world.virtual_host is not None
    world.virtual_host.purge()
    yield


@fault("rabbitmq_hangs_up", brokers=("rabbitmq",))
def hang_up(world: World, target: str) -> Iterator[None]:
    """Let the server itself close every connection."""
    assert world.virtual_host is not None
    world.virtual_host.hang_up()
    yield
