"""Names, queues and arguments on the wire are contracts between this release and the last one.

While an upgrade rolls out, old workers are sent this release's messages, and its workers those of
the last one; and a job that was accepted before names its steps in its rows. `wire.json` holds
what is really published.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

from pipelines.core.steps import declared_steps, step
from pipelines.scheduler.pipeline import START
from project.celery import app
from tests.unit.workers.wire import RETIRED, SNAPSHOT, pipelines_published, tasks_of

WIRE: dict[str, Any] = json.loads(SNAPSHOT.read_text())
CHANGED = """
What is published has changed. Something new is fine: write the snapshot anew with
    python -m tests.unit.workers.wire
and commit it. A name, a queue or an argument that is gone or different breaks the workers and the
jobs of the last release: bring it back, and give what is new a new name. The old name is kept as
`retired`, with its step declared (in a pipeline that nobody accepts any more) and its task, for
one release; then both go, and its line here."""
KEEP = """
A message or a job of the last release names {}, and nothing runs it. Keep its step and its task
for this release, or take it out of `retired` in wire.json if the last release did not send it."""


@pytest.fixture(scope="module", autouse=True)
def tasks() -> dict[str, Any]:
    """The tasks that a worker knows."""
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}


def _parameters(task: Any) -> list[str]:
    # Celery puts a wrapper in the place of `run` when a task retries by itself.
    run = getattr(task, "_orig_run", task.run)
    return list(inspect.signature(run, follow_wrapped=False).parameters)


def test_what_is_published_is_what_the_snapshot_says() -> None:
    wire = {kind: links for kind, links in WIRE.items() if kind != RETIRED}
    assert pipelines_published() == wire, CHANGED


@pytest.mark.parametrize("name", sorted(tasks_of(WIRE) | set(WIRE[RETIRED])))
def test_what_was_published_is_run(name: str, tasks: dict[str, Any]) -> None:
    """Given a name of this release or the last one, a worker runs it with the same arguments."""
    assert name in tasks, KEEP.format(name)
    assert step(name).name == name, KEEP.format(name)
    assert _parameters(tasks[name]) == ["job_id", "epoch", "_later"]


def test_beats_message_is_run(tasks: dict[str, Any]) -> None:
    """Rows of the schedule outlive a release: `scheduler.start(kind, slot)`, in `default`."""
    assert (START.name, START.queue) == ("scheduler.start", "default")
    assert _parameters(tasks[START.name]) == ["kind", "slot"]


def test_every_step_has_its_task_and_every_task_its_step(tasks: dict[str, Any]) -> None:
    assert set(tasks) == {START.name, *declared_steps()}
