"""A bare Celery app with the hops of a turn and nothing in them, to compare a turn with."""

from __future__ import annotations

import os
import time

from celery import Celery
from kombu import Queue
from redis import Redis

HOPS = ("embed", "llm", "default")
DONE = "bare:done"

app = Celery("bare", broker=os.environ["REDIS_URL"])
app.conf.task_queues = [Queue(name) for name in HOPS]
app.conf.worker_prefetch_multiplier = 1
app.conf.broker_transport_options = {"global_keyprefix": "bare:"}
app.conf.task_ignore_result = True


@app.task(name="bare.hop")
def hop() -> None:
    """Do nothing."""


@app.task(name="bare.last")
def last(number: int) -> None:
    """Say when the chain had come through."""
    with Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.hset(DONE, str(number), repr(time.time()))
