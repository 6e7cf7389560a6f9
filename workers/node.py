"""A worker says again and again which queues it consumes, once it is proven that it does.

It begins once its engines are loaded: a front door that is ready answers the first turn as
quickly as the second. A worker that is found to be deaf ends, and its supervisor starts another.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from typing import Any, NoReturn

import structlog
from billiard.process import active_children
from celery.signals import worker_ready, worker_shutting_down
from celery.worker import state
from celery.worker.consumer import Consumer
from django.conf import settings

from pipelines.core.database import survive
from pipelines.core.errors import TurnpikeError
from pipelines.core.jitter import jittered
from pipelines.jobs import nodes
from workers import configured
from workers.liveness import Hearing, Letters, note, own_queue

log = structlog.get_logger(__name__)
_stop = threading.Event()

# Seconds in which the main thread, if it is not what is stuck, ends by itself once nothing runs.
_LAST_MOMENT = 2.0
# Not 0: a supervisor that restarts only what failed must restart this.
DEAF = os.EX_TEMPFAIL


@worker_ready.connect
def start(sender: Consumer, **_: Any) -> None:
    """Begin, once the worker consumes."""
    threading.Thread(target=_run, args=(sender,), name="node", daemon=True).start()


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    """End: a worker that finishes its last tasks takes no new ones."""
    _stop.set()
    note()


def _run(consumer: Consumer) -> None:
    name = nodes.node_name(consumer.hostname)
    letters = Letters(own_queue(consumer.hostname))
    hearing = Hearing(consumer, letters.write)
    _warm(sorted(consumer.app.amqp.queues.consume_from))
    while not _stop.is_set() and not hearing.is_deaf:
        began = time.monotonic()
        survive("node", partial(_beat, name, hearing))
        # Redis hands a message to whoever has listened longest, and a letter makes a worker listen
        # anew. In step, one of two releases would always be first, though it knows the task not.
        _stop.wait(jittered(settings.NODE_SECONDS) - (time.monotonic() - began))
    letters.close()
    survive("node", partial(nodes.node_gone, name=name))  # else the row grows old by itself
    if hearing.is_deaf and not _stop.is_set():
        _end(hearing.silence)


def _warm(queues: list[str]) -> None:
    try:
        configured.warm(queues)
    except TurnpikeError as error:  # the steps that need the engine will say the same
        log.warning("node.engine_unavailable", code=error.error_code, detail=error.detail)


def _beat(name: str, hearing: Hearing) -> None:
    if hearing.ask():
        nodes.node_seen(name=name, role="worker", queues=hearing.queues())
    elif hearing.silence:
        log.warning("node.unheard", seconds=hearing.silence)


def _end(silence: float) -> NoReturn:
    """End this process: with its steps done, or after a grace, when their leases bring them back.

    The main thread may be what is stuck, so the last word is this thread's.
    """
    grace = settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT
    log.error("node.deaf", seconds=silence, grace=grace)
    state.should_stop = DEAF  # type: ignore[assignment]  # declared by its first value, None
    _let_finish(grace)
    time.sleep(_LAST_MOMENT)
    log.error("node.ended_by_force")
    for child in active_children():
        child.terminate()
    os._exit(DEAF)


def _let_finish(grace: float) -> None:
    """Wait until nothing runs here any more, for so many seconds at most."""
    deadline = time.monotonic() + grace
    while state.active_requests and time.monotonic() < deadline:
        time.sleep(0.1)  # Celery tells nobody when the set empties
