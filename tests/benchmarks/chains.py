"""Bare Celery workers, and chains of three hops through them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from celery import chain
from redis import Redis

from tests.acceptance.stack import ROOT, inherited

# Beside the product's own, on the same server.
REDIS_DATABASE = 12


def emptied_redis(redis_url: str) -> str:
    """Empty the benchmarks' database of a server; return its address."""
    broker = redis_url.rpartition("/")[0] + f"/{REDIS_DATABASE}"
    with Redis.from_url(broker) as client:
        client.flushdb()
    return broker


class Chains:
    """Sends chains by number, and knows when each one came through."""

    def __init__(self, client: Redis) -> None:
        """Read what the workers note down."""
        self._client = client

    def send(self, number: int) -> None:
        """Send one chain."""
        from tests.benchmarks import bare

        first, second, third = bare.HOPS
        chain(
            bare.hop.si().set(queue=first),
            bare.hop.si().set(queue=second),
            bare.last.si(number).set(queue=third),
        ).apply_async()

    def wait(self, number: int) -> float:
        """Wait for a chain; return the moment when it came through, in seconds of the epoch."""
        from tests.benchmarks import bare

        while (done := self._client.hget(bare.DONE, str(number))) is None:
            time.sleep(0.002)
        return float(done)


@contextmanager
def bare_chains(broker: str) -> Iterator[Chains]:
    """Run bare workers, one a queue."""
    os.environ["REDIS_URL"] = broker
    from tests.benchmarks import bare

    command = [sys.executable, "-m", "celery", "-A", bare.__name__, "worker"]
    with ExitStack() as stack, Redis.from_url(broker) as client:
        for queue in bare.HOPS:
            worker = subprocess.Popen(
                [*command, "-Q", queue, "-P", "threads", "-c", "4", "-n", f"bare-{queue}@%h"],
                cwd=ROOT,
                env={**inherited(), "REDIS_URL": broker},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(worker.wait)
            stack.callback(worker.terminate)
        chains = Chains(client)
        chains.send(-1)
        chains.wait(-1)
        yield chains
