"""The task of a letter."""

from __future__ import annotations

from pipelines.jobs.models import Job
from pipelines.letters.pipeline import WRITE
from pipelines.letters.services import letter_write
from workers.base import Run, step_task


@step_task(WRITE)
def write(run: Run) -> None:
    """Write the letter that somebody ordered, if there is anybody to write to."""
    with run.recording() as outcome:
        email = letter_write(job=Job.objects.get(pk=run.job_id))
        outcome.output = {"email_id": str(email.pk) if email else None}
