"""The step of a batch."""

from __future__ import annotations

from pipelines.core.steps import Pipeline, Retry, Step, register

ACCEPT = Step("batches.accept", queue="default", retry=Retry(attempts=8, base=2.0, ceiling=300.0))
BATCH = register(Pipeline("batches.batch", steps=(ACCEPT,)))
