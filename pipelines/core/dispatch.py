"""The one door to the broker: publishes a job's remaining steps, by name, after the commit.

What is published is a hint. A message that is lost costs time, never a job: the relay finds the
ready step in the database and publishes it again. So publishing never holds a request up (one
background thread sends, from a bounded backlog) and never raises to its caller.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from amqp.exceptions import AMQPError
from celery import chain
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from pipelines.core.processes import PerProcess
from pipelines.core.steps import Step
from project.celery import app

log = structlog.get_logger(__name__)

BACKLOG = 10_000
# What it means, across transports, that the broker cannot be used just now.
BROKER_ERRORS = (OperationalError, OSError, RedisError, AMQPError)


@dataclass(frozen=True)
class Hint:
    """A job's remaining steps, and the epoch that makes an older message void."""

    job_id: UUID
    epoch: int
    steps: tuple[Step, ...]


def publish(hint: Hint) -> None:
    """Send the chain now; raises one of BROKER_ERRORS.

    Shape on the wire: each link is `<step name>(job_id, epoch)`.
    """
    links = [
        app.signature(
            step.name,
            args=(str(hint.job_id), hint.epoch),
            immutable=True,
            queue=step.queue,
            expires=step.expires,
            soft_time_limit=step.soft_time_limit,
            time_limit=step.time_limit,
        )
        for step in hint.steps
    ]
    chain(*links).apply_async(confirm_timeout=settings.BROKER_CONFIRM_TIMEOUT)


def publish_on_commit(hint: Hint) -> None:
    """Send the chain soon after the present transaction commits, never if it rolls back."""
    if hint.steps:
        transaction.on_commit(lambda: _sender().submit(hint))


class _Sender:
    """A thread that publishes."""

    def __init__(self) -> None:
        self._backlog: queue.Queue[Hint] = queue.Queue(BACKLOG)
        threading.Thread(target=self._run, name="dispatch", daemon=True).start()

    def submit(self, hint: Hint) -> None:
        try:
            self._backlog.put_nowait(hint)
        except queue.Full:
            log.warning("dispatch.backlog_full", job_id=str(hint.job_id))

    def flush(self) -> None:
        self._backlog.join()

    def _run(self) -> None:
        while True:
            hint = self._backlog.get()
            try:
                publish(hint)
            except BROKER_ERRORS as error:
                log.warning("dispatch.failed", job_id=str(hint.job_id), error=str(error))
            except Exception:
                # The thread must outlive any mistake: all hints of this process pass through it.
                log.exception("dispatch.bug", job_id=str(hint.job_id))
            finally:
                self._backlog.task_done()


_sender = PerProcess(_Sender)


def flush() -> None:
    """Wait until all that was handed over has been published or given up."""
    _sender().flush()


def queue_depths(names: Sequence[str]) -> dict[str, int]:
    """Count the messages that wait in each queue; raises one of BROKER_ERRORS.

    The queues are declared, not looked up: over Redis kombu looks for the queue without the key
    prefix, and would find none.
    """
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        return {name: _depth(app.amqp.queues[name](channel)) for name in names}


def _depth(queue: Any) -> int:
    return int(queue.queue_declare().message_count)
