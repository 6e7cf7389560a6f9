"""The steps of an export and of an erasure."""

from __future__ import annotations

from pipelines.core.steps import Pipeline, Retry, Step, register

_PATIENT = Retry(attempts=8, base=2.0, ceiling=300.0)

COLLECT = Step(
    "privacy.collect", queue="default", retry=_PATIENT, soft_time_limit=840, time_limit=870
)
EXPORT = register(Pipeline("privacy.export", steps=(COLLECT,)))

ERASE_ROWS = Step("privacy.erase_rows", queue="default", retry=_PATIENT)
# Where the index files lie: with the workers that write them.
ERASE_INDEXES = Step("privacy.erase_indexes", queue="ingest", retry=_PATIENT)
ERASURE = register(Pipeline("privacy.erasure", steps=(ERASE_ROWS, ERASE_INDEXES)))
