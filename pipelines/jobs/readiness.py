"""Whether a turn can be served: everything that it passes through, and how to mend each."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from pipelines.core import dispatch
from pipelines.core.database import DATABASE_ERRORS, summary
from pipelines.jobs.nodes import nodes_alive, served_queues


@dataclass(frozen=True)
class Check:
    """One thing that must hold before a turn can be served, and how to mend it."""

    name: str
    ok: bool
    detail: str = ""


def readiness() -> list[Check]:
    """Check everything that a turn passes through, in that order; answers within seconds."""
    database = _database()
    if not database.ok:
        return [database]
    broker, served = _broker(), served_queues()
    return [
        database,
        broker,
        *(_queue(name, name in served, knowable=broker.ok) for name in settings.QUEUES),
        _relay(),
    ]


def _database() -> Check:
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DATABASE_ERRORS as error:
        return Check("database", ok=False, detail=summary(error))
    if pending:
        return Check(
            "database", ok=False, detail=f"{len(pending)} migrations wait: `manage.py migrate`."
        )
    return Check("database", ok=True)


class _Question(threading.Thread):
    """Asks the broker for one thing; a broker that is frozen holds up this thread and no other."""

    def __init__(self) -> None:
        super().__init__(name="readiness", daemon=True)
        self.error = ""
        self.start()

    def run(self) -> None:
        try:
            dispatch.queue_depths([settings.CELERY_TASK_DEFAULT_QUEUE])
        except dispatch.BROKER_ERRORS as error:
            self.error = f"The broker does not answer: {error}"


_lock = threading.Lock()
_asked: _Question | None = None


def _broker() -> Check:
    """Ask the broker, unless somebody waits for its answer already, and share that answer."""
    global _asked  # noqa: PLW0603 - however often health is asked for, one thread waits
    with _lock:
        if _asked is None or not _asked.is_alive():
            _asked = _Question()
        question = _asked
    question.join(settings.BROKER_PATIENCE)
    if question.is_alive():
        detail = f"The broker does not answer within {settings.BROKER_PATIENCE:g} s."
        return Check("broker", ok=False, detail=detail)
    return Check("broker", ok=not question.error, detail=question.error)


def _queue(name: str, is_served: bool, *, knowable: bool) -> Check:
    if is_served:
        return Check(f"queue:{name}", ok=True)
    if not knowable:
        detail = f"No worker can be seen to serve '{name}' without the broker."
    else:
        detail = f"No worker serves '{name}': start `celery -A workers.app worker -Q {name}`."
    return Check(f"queue:{name}", ok=False, detail=detail)


def _relay() -> Check:
    if nodes_alive("relay"):
        return Check("relay", ok=True)
    return Check("relay", ok=False, detail="No relay is running: start `manage.py relay`.")
