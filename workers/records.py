"""Celery's own records of the tasks that ran here, written a moment later and many at a time.

They are for people to look at: what counts is the step in the database, recorded before. So a task
waits for no record and fails for none; one that is lost is a line less beside its step.
"""

from __future__ import annotations

import threading
from typing import Any

import structlog
from celery import states
from celery.signals import worker_process_shutdown, worker_shutdown
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models.constants import OnConflict
from django.utils import timezone
from django_celery_results.backends.database import DatabaseBackend
from django_celery_results.models import TaskResult

from pipelines.core.database import refresh_connection, survive
from pipelines.core.processes import PerProcess

log = structlog.get_logger(__name__)

BACKLOG = 10_000
# Rows in a statement: SQLite may take no more than 999 values in one.
BATCH = 60
# Seconds until a database that was away is tried again.
_RETRY_SECONDS = 5.0
# Seconds that a worker which ends waits for its last records.
_PATIENCE = 5.0

_META = TaskResult._meta  # noqa: SLF001 - public, for all its name
_COLUMNS = [field for field in _META.concrete_fields if not field.primary_key]
_KEY = [field for field in _COLUMNS if field.name == "task_id"]
# Of several records of one task the last stays, but for the moments that the first have set.
_FIRST = ("date_created", "date_started")
_CHANGING = [field for field in _COLUMNS if field.name not in {"task_id", *_FIRST}]


class RecordsBackend(DatabaseBackend):  # type: ignore[misc]  # comes without types
    """Reads as django-celery-results does, and leaves the writing of a record to a thread."""

    def _store_result(
        self,
        task_id: str,
        result: Any,
        status: str,
        traceback: str | None = None,
        request: Any = None,
        **_: Any,
    ) -> Any:
        now = timezone.now()
        content_type, content_encoding, encoded = self.encode_content(result)
        children = self.current_task_children(request)
        meta = {**self._get_meta_from_request(request), "children": children}
        row = TaskResult(
            task_id=task_id,
            status=status,
            result=encoded,
            meta=self.encode_content(meta)[-1],
            content_type=content_type,
            content_encoding=content_encoding,
            date_created=now,
            date_started=now if status == states.STARTED else None,
            date_done=now,
            **{"traceback": traceback, **self._get_extended_properties(request, traceback)},
        )
        _writer().submit(row)
        return encoded


class _Writer:
    """A thread that writes what has been gathered for a moment."""

    def __init__(self) -> None:
        # By the task's id: a statement may not meet the same row twice.
        self._rows: dict[str, TaskResult] = {}
        self._changed = threading.Condition()
        self._news = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None

    def submit(self, row: TaskResult) -> None:
        with self._changed:
            earlier = self._rows.get(row.task_id)
            if earlier is None and len(self._rows) >= BACKLOG:
                log.warning("records.backlog_full", task_id=row.task_id)
                return
            if earlier is not None:
                for name in _FIRST:
                    setattr(row, name, getattr(earlier, name) or getattr(row, name))
            self._rows[row.task_id] = row
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="records", daemon=True)
                self._thread.start()
        self._news.set()

    def flush(self, seconds: float) -> None:
        """Have all written now, and wait for it so long at most."""
        with self._changed:
            self._hurry.set()
            if not self._changed.wait_for(lambda: not self._rows, seconds):
                log.warning("records.unwritten", count=len(self._rows))

    def write(self) -> None:
        """Write what there is; what the database did not take, for it was away, stays."""
        refresh_connection()
        with self._changed:
            rows = list(self._rows.values())
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            _store(batch)
            with self._changed:
                for row in batch:
                    if self._rows[row.task_id] is row:  # else there is a later one by now
                        del self._rows[row.task_id]
                self._changed.notify_all()

    def _run(self) -> None:
        pause = settings.RECORDS_FLUSH_SECONDS
        while True:
            self._news.wait()
            self._hurry.wait(pause)
            self._hurry.clear()
            self._news.clear()
            pause = settings.RECORDS_FLUSH_SECONDS
            if not survive("records", self.write):
                pause = _RETRY_SECONDS
                self._news.set()


def _store(rows: list[TaskResult]) -> None:
    """Write rows in one statement; if one of them cannot be written, each in its own."""
    try:
        _upsert(rows)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        if len(rows) == 1:
            log.exception("records.refused", task_id=rows[0].task_id)
            return
        for row in rows:
            _store([row])


def _upsert(rows: list[TaskResult]) -> None:
    # `bulk_create` would put the moment of writing for each row's own dates, and a transaction
    # around its one statement; so this is what it calls itself, and raw, as `loaddata` has it.
    TaskResult.objects._insert(  # type: ignore[attr-defined]  # noqa: SLF001 - see above
        rows,
        fields=_COLUMNS,
        raw=True,
        on_conflict=OnConflict.UPDATE,
        update_fields=_CHANGING,
        unique_fields=_KEY,
    )


_writer = PerProcess(_Writer)


# Both come after the last task: the one in a worker's main process, the other in each of its pool.
@worker_shutdown.connect
@worker_process_shutdown.connect
def flush(**_: Any) -> None:
    """Write what this process still has to write, or give it up after some seconds."""
    _writer().flush(_PATIENCE)
