"""`manage.py relay`: the standing process that sets going what stands still."""

from __future__ import annotations

import signal
import threading
import time
from argparse import ArgumentParser
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection

from pipelines.core.database import survive
from pipelines.jobs import nodes, relay
from pipelines.jobs.outbox import publish_due

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Run the relay until SIGTERM or SIGINT."""

    help = "Publish ready, due and lost steps from the database. Run two of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the one option."""
        parser.add_argument("--once", action="store_true", help="do one round and end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Tick until told to stop; a database that is away is waited for."""
        if options["once"]:
            relay.tick()
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        # A broker that hangs must hold up no repair.
        publisher = threading.Thread(target=_keep_publishing, args=(stop,), daemon=True)
        publisher.start()
        _keep_mending(stop)
        publisher.join(settings.REDIS_SOCKET_TIMEOUT)


def _keep_publishing(stop: threading.Event) -> None:
    while not stop.is_set():
        survive("relay", _publish)
        stop.wait(settings.RELAY_INTERVAL)
    connection.close()


def _publish() -> None:
    if sent := publish_due():
        log.info("relay.published", steps=sent)


def _keep_mending(stop: threading.Event) -> None:
    name, seen = nodes.node_name("relay"), 0.0
    # After a start or an outage the workers get time to extend their leases first.
    reclaim_from = time.monotonic() + settings.LEASE_SECONDS

    def mend() -> None:
        nonlocal seen
        if time.monotonic() - seen >= settings.NODE_SECONDS:
            nodes.node_seen(name=name, role="relay")
            seen = time.monotonic()
        done = relay.mend(reclaim=time.monotonic() >= reclaim_from)
        if any(done.values()):
            log.info("relay.repaired", **done)

    while not stop.is_set():
        if not survive("relay", mend):
            reclaim_from = time.monotonic() + settings.LEASE_SECONDS
        stop.wait(settings.RELAY_INTERVAL)
    nodes.node_gone(name=name)
