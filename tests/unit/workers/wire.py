"""What is on the wire; `python -m tests.unit.workers.wire` writes its snapshot anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from pipelines.core.steps import Pipeline

SNAPSHOT = Path(__file__).with_name("wire.json")
RETIRED = "retired"
_JOB_ID, _EPOCH = UUID("01a1fbbf-8128-7f06-9957-d0340012fd21"), 7
_NAMES: dict[str | int, str] = {str(_JOB_ID): "<job_id>", _EPOCH: "<epoch>"}

Link = dict[str, Any]


def published(pipeline: Pipeline) -> list[Link]:
    """Publish a job of a pipeline, take its message off the broker, and read its links."""
    from pipelines.core import dispatch
    from pipelines.core.dispatch import Hint
    from project.celery import app

    with app.connection_for_write() as connection:
        name = pipeline.steps[0].queue
        queue = app.amqp.queues[name](connection.default_channel)
        queue.declare()
        queue.purge()
        dispatch.publish(Hint(_JOB_ID, _EPOCH, pipeline.steps))
        message = queue.get(no_ack=True)
        assert message is not None
    args, kwargs, embedded = message.payload
    # The broker carries the links that follow with the last one first.
    later = [
        _link(row["task"], row["options"]["queue"], row["args"], row["kwargs"])
        for row in reversed(embedded["chain"] or [])
    ]
    return [_link(message.headers["task"], name, args, kwargs), *later]


def _link(task: str, queue: str, args: list[Any], kwargs: dict[str, Any]) -> Link:
    return {"task": task, "queue": queue, "args": [_NAMES[a] for a in args], "kwargs": kwargs}


def pipelines_published() -> dict[str, list[Link]]:
    """Publish each pipeline, by its kind."""
    from pipelines.core import steps

    return {kind: published(pipeline) for kind, pipeline in sorted(steps._pipelines.items())}


def tasks_of(wire: dict[str, Any]) -> set[str]:
    """The names of all tasks that a snapshot's pipelines send."""
    return {link["task"] for kind, links in wire.items() if kind != RETIRED for link in links}


def main() -> None:
    """Write the snapshot; what is no longer sent stays in it as retired."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.test")
    django.setup()
    old = json.loads(SNAPSHOT.read_text()) if SNAPSHOT.exists() else {}
    new: dict[str, Any] = pipelines_published()
    gone = tasks_of(old) | set(old.get(RETIRED, []))
    new[RETIRED] = sorted(gone - tasks_of(new))
    SNAPSHOT.write_text(json.dumps(new, indent=2) + "\n")


if __name__ == "__main__":
    main()
