"""The tasks of the scheduler: start a run, and the steps of housekeeping."""

from __future__ import annotations

from pipelines.core.database import DATABASE_ERRORS
from pipelines.core.steps import Step
from pipelines.scheduler import pipeline, retention, services, statistics
from project.celery import app
from workers.base import Run, step_task


@app.task(
    name=pipeline.START.name,
    autoretry_for=DATABASE_ERRORS,
    retry_backoff=True,
    retry_backoff_max=60,
    max_retries=10,
)
def start(kind: str, slot: str | None = None) -> str:
    """Accept the run that beat's message asks for; return the job's id."""
    return str(services.run_start(kind, slot).pk)


def _delete(step: Step) -> None:
    def body(run: Run) -> None:
        counts: dict[str, int] = {}
        for counts in retention.delete_old(step):
            run.check()
            run.progress(**counts)
        with run.recording() as outcome:
            outcome.output = {"deleted": counts}

    step_task(step)(body)


for _step in retention.RULES:
    _delete(_step)


@step_task(pipeline.COUNT)
def count(run: Run) -> None:
    """Count what there is; the job's output gathers what the steps before have deleted."""
    counts = statistics.count()
    deleted = {name: output["deleted"] for name, output in run.outputs.items()}
    with run.recording() as outcome:
        services.statistics_record(counts=counts)
        outcome.output = {"counts": counts, "deleted": deleted}
