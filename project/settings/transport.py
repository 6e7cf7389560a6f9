"""How messages travel: Redis, the broker, and Celery's settings with the reason for each."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from kombu import Queue

from project.settings import environment as env
from project.settings.product import HARD_TIME_LIMIT, HOME


def _socket_path(home: Path) -> Path:
    """Place the private Redis socket; the kernel refuses socket paths beyond 107 bytes."""
    path = home / "run" / "redis.sock"
    if len(bytes(path)) <= 100:
        return path
    digest = hashlib.sha256(bytes(home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"turnpike-{digest}" / "redis.sock"


REDIS_SOCKET = _socket_path(HOME)
REDIS_URL = env.text("REDIS_URL", f"unix://{REDIS_SOCKET}?db=0")
REDIS_SOCKET_TIMEOUT = env.number("REDIS_SOCKET_TIMEOUT", 5.0, minimum=0.1)


def _broker_url() -> str:
    """Celery wants another scheme for the same socket."""
    return env.text("BROKER_URL", REDIS_URL.replace("unix://", "redis+socket://", 1)).replace(
        "?db=", "?virtual_host="
    )


CELERY_BROKER_URL = _broker_url()
BROKER_IS_REDIS = CELERY_BROKER_URL.partition(":")[0] in {"redis", "rediss", "redis+socket"}

# A lost or half-open connection must be noticed in seconds (celery#10205), and a message that
# Redis holds for a dead worker must come back before a person asks. Both are hints only: the
# relay repairs from the database whatever the broker loses.
_REDIS_OPTIONS: dict[str, Any] = {
    "global_keyprefix": env.text("BROKER_KEY_PREFIX", "turnpike:"),
    "visibility_timeout": HARD_TIME_LIMIT + 60,
    "socket_timeout": REDIS_SOCKET_TIMEOUT,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
}
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    _REDIS_OPTIONS
    if BROKER_IS_REDIS
    else {"confirm_publish": True}
    if CELERY_BROKER_URL.startswith("amqp")
    else {}
)
CELERY_BROKER_CONNECTION_TIMEOUT = 3
# Seconds that RabbitMQ may take to confirm a message; a line that died silently says nothing.
BROKER_CONFIRM_TIMEOUT = env.number("BROKER_CONFIRM_TIMEOUT", 5.0, minimum=0.1)
# How long whoever asks for health waits for the broker's answer.
BROKER_PATIENCE = env.number("BROKER_PATIENCE", 2.0, minimum=0.1)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = True
# Publishing is off the request's path, and the relay repeats what fails: one retry is enough.
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.2,
}

QUEUES = ("llm", "embed", "ingest", "pdf", "mail", "default")
CELERY_TASK_QUEUES = [Queue(name, routing_key=name) for name in QUEUES]
CELERY_TASK_DEFAULT_QUEUE = "default"
# A misspelt queue must fail at the sender, not grow unseen in the broker.
CELERY_TASK_CREATE_MISSING_QUEUES = False

CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
# Where records are read. Those who write them are the workers: `workers.app` says how.
CELERY_RESULT_BACKEND = "django-db"
CELERY_RESULT_EXTENDED = True
# How long a worker gathers Celery's records of its tasks before it writes them in one statement:
# nobody waits for them, and one by one they would cost each task four statements.
RECORDS_FLUSH_SECONDS = env.number("RECORDS_FLUSH_SECONDS", 0.25)
# Celery would open the database anew for each task, at a cost above that of all its statements.
# `workers.app` lets go of connections that are old or dead, as Django does between requests.
CELERY_DB_REUSE_MAX = 2**31
CELERY_RESULT_EXPIRES = None  # the retention job deletes results, in batches
# Early acknowledgement: the lease in the database, not the broker, brings a lost step back.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A step goes on when the broker is lost: it needs the database, and its lease, but no broker.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = True
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = env.number("WORKER_SOFT_SHUTDOWN_TIMEOUT", 20.0)
CELERY_TASK_TIME_LIMIT = HARD_TIME_LIMIT
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "celerybeat.scheduler:SlotScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
# A worker writes to itself each NODE_SECONDS; one that hears nothing for so many seconds, with the
# broker in reach and a slot free, ends for its supervisor to start another. Longer than kombu takes
# to drop a half-open connection itself (health_check_interval and a second), since that is cheaper.
CONSUME_TIMEOUT = env.number("CONSUME_TIMEOUT", 20.0, minimum=1.0)
# Tasks are found by name: `project` imports neither of these rooms.
CELERY_INCLUDE = [
    "workers.chat",
    "workers.knowledge",
    "workers.reports",
    "workers.mail",
    "workers.letters",
    "workers.privacy",
    "workers.scheduler",
    "workers.embeddings",
    "workers.responses",
    "workers.webhooks",
    "workers.batches",
]
