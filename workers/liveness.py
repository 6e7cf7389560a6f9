"""Whether this worker really takes messages, which being alive and connected does not prove.

After a lost connection a Celery worker may live on and consume nothing (celery#10205, #10302). So
it writes to itself: a queue of its own is consumed on the very channel that brings the work, and
what comes back is noted before the pool sees anything. The message is empty, writes no result and
is no task. Nothing of it stays behind: the broker drops the queue once it is out of use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from celery import bootsteps
from celery.signals import task_received
from celery.worker import state
from celery.worker.consumer import Consumer, Tasks
from django.conf import settings
from kombu import Connection, Exchange, Queue
from kombu import Consumer as QueueConsumer
from kombu.common import ignore_errors

from pipelines.core.dispatch import BROKER_ERRORS
from pipelines.jobs.nodes import node_name
from project.celery import app


class Ear(bootsteps.StartStopStep):
    """Consumes the worker's own queue beside its work; begins anew with every connection."""

    requires = (Tasks,)

    def __init__(self, parent: Consumer, **_: Any) -> None:
        """Consume nothing yet."""
        super().__init__(parent)
        self._consumer: QueueConsumer | None = None

    def start(self, parent: Any) -> None:
        """Consume on the channel of the work, whose window of messages then holds for both.

        Over Redis the window is the channel's in any case, and what is not acknowledged would
        outlive its queue; elsewhere the broker counts only what must be acknowledged.
        """
        self._consumer = QueueConsumer(
            parent.task_consumer.channel,
            queues=[own_queue(parent.hostname)],
            no_ack=settings.BROKER_IS_REDIS,
            on_message=self._receive,
        )
        self._consumer.consume()

    def stop(self, parent: Any) -> None:
        """Let go of a channel that may have died."""
        if self._consumer is not None:
            ignore_errors(parent, self._consumer.cancel)
            self._consumer = None

    @staticmethod
    def _receive(message: Any) -> None:
        if not settings.BROKER_IS_REDIS:
            message.ack()
        note()


def own_queue(hostname: str) -> Queue:
    """Name the queue that only this process consumes; unused, it vanishes by itself."""
    name = node_name(hostname)
    return Queue(f"node.{name}", routing_key=f"node.{name}", expires=2 * settings.CONSUME_TIMEOUT)


_heard = threading.Event()


def note(**_: Any) -> None:
    """Remember that a message came."""
    _heard.set()


app.steps["consumer"].add(Ear)
task_received.connect(note)


class Hearing:
    """Asks again and again, and counts for how long nothing was heard."""

    def __init__(self, consumer: Any, write: Callable[[], None]) -> None:
        """Judge a consumer by what it hears of what `write` sends."""
        self._consumer = consumer
        self._write = write
        # Seconds of asking, not of the clock: a process that was stopped for an hour has not
        # listened in vain for an hour.
        self.silence = 0.0

    def queues(self) -> list[str]:
        """Name the queues of work that it consumes just now."""
        tasks = self._consumer.task_consumer
        if tasks is None:
            return []
        return sorted(queue.name for queue in tasks.queues if tasks.consuming_from(queue))

    def is_busy(self) -> bool:
        """Whether every slot is taken; the worker rightly leaves messages where they are then."""
        slots: int = self._consumer.pool.num_processes
        return len(state.active_requests) >= slots

    def ask(self) -> bool:
        """Write to the own queue, and say whether the worker is proven to take work."""
        if self.is_busy():
            self.silence = 0.0
            return True
        _heard.clear()
        try:
            self._write()
        except BROKER_ERRORS:
            # Nobody can be blamed for not hearing what could not be said.
            self.silence = 0.0
            return False
        if _heard.wait(settings.NODE_SECONDS) and self.queues():
            self.silence = 0.0
            return True
        self.silence += settings.NODE_SECONDS
        return False

    @property
    def is_deaf(self) -> bool:
        """Whether it was asked for CONSUME_TIMEOUT in vain."""
        return self.silence >= settings.CONSUME_TIMEOUT


class Letters:
    """Writes to a queue over a connection that is kept, and made anew after an error."""

    def __init__(self, queue: Queue) -> None:
        """Connect to nothing yet."""
        self._queue = queue
        self._connection: Connection | None = None

    def write(self) -> None:
        """Send one message; raises one of BROKER_ERRORS."""
        if self._connection is None:
            self._connection = app.connection_for_write()
        try:
            producer = self._connection.Producer(auto_declare=False)
            with producer:
                producer.publish(
                    {},
                    exchange="",
                    routing_key=self._queue.name,
                    declare=[self._queue],
                    serializer="json",
                    delivery_mode=Exchange.TRANSIENT_DELIVERY_MODE,
                    expiration=settings.CONSUME_TIMEOUT,
                )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()
