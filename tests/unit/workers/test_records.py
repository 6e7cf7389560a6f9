"""Celery's records are written together, a moment later, and are what its own backend writes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from celery.app.task import Context
from celery.signals import worker_process_shutdown, worker_shutdown
from celery.utils.dispatch import Signal
from django.db import OperationalError, connection
from django.utils import timezone
from django_celery_results.backends.database import DatabaseBackend
from django_celery_results.models import TaskResult
from pytest_django import DjangoAssertNumQueries, Settings
from structlog.testing import capture_logs

from project.celery import app
from workers import records
from workers.records import RecordsBackend

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def writer(monkeypatch: pytest.MonkeyPatch) -> records._Writer:
    """The writer of this process, which writes when a test says so, over the test's connection."""
    writer = records._Writer()
    writer._thread = threading.current_thread()
    monkeypatch.setattr(records, "_writer", lambda: writer)
    return writer


@pytest.fixture
def backend() -> RecordsBackend:
    """The workers' backend."""
    return RecordsBackend(app=app)


def _request(task_id: str) -> Context:
    """A request as a worker's, of a periodic task with arguments and a child."""
    child = app.AsyncResult("child")
    return Context(
        id=task_id,
        task="test.task",
        argsrepr="('job', 1)",
        kwargsrepr="{'n': 1}",
        hostname="default@here",
        periodic_task_name="nightly",
        meta={"tried": 2},
        children=[child],
    )


def _fail(backend: DatabaseBackend, task_id: str) -> None:
    trace = "Traceback (most recent call last):\nValueError: n"
    backend.mark_as_failure(task_id, ValueError("n"), traceback=trace, request=_request(task_id))


def _succeed(backend: DatabaseBackend, task_id: str) -> None:
    backend.mark_as_done(task_id, {"n": 1}, request=_request(task_id))


def _start(backend: DatabaseBackend, task_id: str) -> None:
    backend.store_result(task_id, {"pid": 1}, "STARTED", request=_request(task_id))


def _bare(backend: DatabaseBackend, task_id: str) -> None:
    backend.store_result(task_id, None, "SUCCESS", traceback="left out without a request")


def _written() -> list[str]:
    return list(TaskResult.objects.order_by("id").values_list("task_id", flat=True))


def _fields(task_id: str) -> dict[str, Any]:
    """All of a record but what is of this one alone."""
    row = TaskResult.objects.filter(task_id=task_id).values().get()
    return {name: value for name, value in row.items() if name not in {"id", "task_id"}}


def _without_moments(fields: dict[str, Any]) -> dict[str, Any]:
    """The same, with no more of a moment than whether it is known."""
    return {name: bool(v) if name.startswith("date_") else v for name, v in fields.items()}


@pytest.mark.django_db
def test_many_records_are_one_statement(
    backend: RecordsBackend,
    writer: records._Writer,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    ids = [f"task-{n}" for n in range(records.BATCH)]
    with django_assert_num_queries(0):
        for task_id in ids:
            _succeed(backend, task_id)

    with django_assert_num_queries(1):
        writer.write()

    assert _written() == ids


@pytest.mark.django_db
@pytest.mark.parametrize("store", [_succeed, _fail, _start, _bare])
def test_a_record_is_as_celerys_own_backend_writes_it(
    backend: RecordsBackend, writer: records._Writer, store: Any
) -> None:
    store(DatabaseBackend(app=app), "theirs")
    store(backend, "ours")
    writer.write()

    assert _without_moments(_fields("ours")) == _without_moments(_fields("theirs"))


@pytest.mark.django_db
def test_a_failure_is_read_back_with_its_traceback(
    backend: RecordsBackend, writer: records._Writer
) -> None:
    _fail(backend, "failed")
    writer.write()

    meta = RecordsBackend(app=app).get_task_meta("failed")

    assert (meta["status"], repr(meta["result"])) == ("FAILURE", "ValueError('n')")
    assert meta["traceback"] == "Traceback (most recent call last):\nValueError: n"


@pytest.mark.django_db
def test_the_dates_are_of_the_tasks_end_and_not_of_the_writing(
    backend: RecordsBackend, writer: records._Writer
) -> None:
    before = timezone.now()
    _succeed(backend, "task")
    after = timezone.now()
    writer.write()

    fields = _fields("task")

    assert before <= fields["date_done"] <= after
    assert fields["date_created"] == fields["date_done"]


@pytest.mark.django_db
@pytest.mark.parametrize("is_apart", [False, True])
def test_the_last_of_two_records_of_a_task_stays(
    backend: RecordsBackend, writer: records._Writer, is_apart: bool
) -> None:
    _start(backend, "task")
    between = timezone.now()
    if is_apart:
        writer.write()
    _succeed(backend, "task")
    writer.write()

    fields = _fields("task")

    assert (fields["status"], fields["result"]) == ("SUCCESS", '{"n": 1}')
    assert fields["date_started"] == fields["date_created"] < between < fields["date_done"]


@pytest.mark.django_db
def test_a_full_backlog_drops_what_is_new_to_it(
    backend: RecordsBackend, writer: records._Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "BACKLOG", 2)
    with capture_logs() as logs:
        for task_id in ("1", "2", "3", "2"):
            _succeed(backend, task_id)
    writer.write()
    _succeed(backend, "4")
    writer.write()

    assert logs == [{"event": "records.backlog_full", "task_id": "3", "log_level": "warning"}]
    assert _written() == ["1", "2", "4"]


@pytest.mark.django_db
def test_what_the_database_did_not_take_while_it_was_away_is_written_later(
    backend: RecordsBackend, writer: records._Writer
) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    _succeed(backend, "1")
    _succeed(backend, "2")
    with connection.execute_wrapper(away), pytest.raises(OperationalError):
        writer.write()
    _fail(backend, "2")
    writer.write()

    assert _written() == ["1", "2"]
    assert _fields("2")["status"] == "FAILURE"


# Not in a transaction, which PostgreSQL would give up with the statement that it refuses.
@pytest.mark.django_db(transaction=True)
def test_a_record_that_cannot_be_written_is_left_out_of_its_batch(
    backend: RecordsBackend, writer: records._Writer
) -> None:
    _succeed(backend, "1")
    backend.store_result("2", None, "FAILURE", traceback="\ud800", request=_request("2"))
    _succeed(backend, "3")
    with capture_logs() as logs:
        writer.write()
        writer.write()

    assert _written() == ["1", "3"]
    assert [(line["event"], line["task_id"]) for line in logs] == [("records.refused", "2")]


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite takes any text")
@pytest.mark.django_db(transaction=True)
def test_a_record_that_postgres_refuses_is_left_out_of_its_batch(
    backend: RecordsBackend, writer: records._Writer
) -> None:
    _succeed(backend, "1")
    backend.store_result("2", None, "FAILURE", traceback="a\0b", request=_request("2"))
    backend.store_result("3", None, "x" * 51)
    _succeed(backend, "4")
    writer.write()

    assert _written() == ["1", "4"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("signal", [worker_shutdown, worker_process_shutdown])
def test_a_worker_that_ends_waits_for_its_last_records(
    backend: RecordsBackend,
    writer: records._Writer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    signal: Signal,
) -> None:
    settings.RECORDS_FLUSH_SECONDS = 3600
    written: list[str] = []
    monkeypatch.setattr(records, "_upsert", lambda rows: written.extend(r.task_id for r in rows))
    writer._thread = None
    _succeed(backend, "1")
    _succeed(backend, "2")

    signal.send(sender=None)

    assert written == ["1", "2"]


@pytest.mark.timeout(60)
def test_a_worker_that_ends_does_not_wait_for_a_database_that_hangs(
    backend: RecordsBackend, writer: records._Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    monkeypatch.setattr(records, "_upsert", lambda _: answers.wait())
    writer._thread = None
    _succeed(backend, "1")
    began = time.monotonic()

    with capture_logs() as logs:
        writer.flush(0.3)

    assert 0.3 <= time.monotonic() - began < 30
    assert logs == [{"event": "records.unwritten", "count": 1, "log_level": "warning"}]
    answers.set()
    writer.flush(30)


@pytest.mark.parametrize(
    ("module", "name"),
    [("workers.app", "RecordsBackend"), ("project.celery", "DatabaseBackend")],
)
def test_only_workers_write_in_batches(tmp_path: Path, module: str, name: str) -> None:
    """Given a fresh interpreter, the app of the workers has the backend, and that of others not."""
    program = f"import django; django.setup(); from {module} import app; print(type(app.backend))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "project.settings.test", "TURNPIKE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f".{name}'>" in done.stdout, done.stderr
