"""The steps of a report."""

from __future__ import annotations

from pipelines.core.steps import Pipeline, Retry, Step, register
from pipelines.mail.pipeline import SEND
from pipelines.mail.sending import email_close

RENDER = Step(
    "reports.render", queue="pdf", retry=Retry(attempts=3), soft_time_limit=120, time_limit=150
)

REPORT = register(Pipeline("reports.report", steps=(RENDER, SEND), on_end=email_close))
