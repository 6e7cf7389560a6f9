"""A virtual host of our own on this machine's RabbitMQ, which is itself left alone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from kombu import Connection

PORT = 5672
QUEUES = ("llm", "embed", "ingest", "pdf", "mail", "default")


class VirtualHost:
    """Queues that nobody else sees."""

    def __init__(self) -> None:
        """Choose a name."""
        self.name = f"chaos-{os.getpid()}"

    def url(self, port: int) -> str:
        """Its address, by the port of a proxy."""
        return f"amqp://guest:guest@127.0.0.1:{port}/{quote(self.name, safe='')}"

    def control(self, *words: str) -> str:
        """Run RabbitMQ's own tool."""
        done = subprocess.run(
            ["rabbitmqctl", "--quiet", *words], check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"rabbitmqctl {words[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def purge(self) -> None:
        """Empty every queue of steps; by the protocol, since the tool takes seconds for each."""
        with Connection(self.url(PORT), connect_timeout=5) as connection:
            channel: Any = connection.default_channel  # of py-amqp, which kombu's types hide
            for queue in QUEUES:
                channel.queue_purge(queue)

    def hang_up(self) -> None:
        """Close every connection, as a node does that goes away."""
        self.control("close_all_connections", "--vhost", self.name, "chaos")


@contextmanager
def private_virtual_host() -> Iterator[VirtualHost]:
    """Make a virtual host, and delete it at the end."""
    host = VirtualHost()
    host.control("add_vhost", host.name)
    try:
        host.control("set_permissions", "-p", host.name, "guest", ".*", ".*", ".*")
        yield host
    finally:
        host.control("delete_vhost", host.name)
