"""The task of a batch."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings

from pipelines.batches.pipeline import ACCEPT
from pipelines.batches.services import turns_accept_some
from pipelines.core.errors import Deferred
from pipelines.jobs.admission import Overloaded
from workers.base import Run, step_task


@step_task(ACCEPT)
def accept(run: Run) -> None:
    """Accept as many of a batch's turns as may be under way; come back for the rest."""
    try:
        is_done = turns_accept_some(UUID(run.input["batch_id"]))
    except Overloaded as error:
        raise Deferred(error.detail, retry_after=error.retry_after) from error
    if not is_done:
        raise Deferred("Its next turns wait for those before.", retry_after=settings.BATCH_PAUSE)
    with run.recording() as outcome:
        outcome.output = {"batch_id": run.input["batch_id"]}
