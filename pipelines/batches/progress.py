"""How a batch comes to its end: turn by turn, each counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import F
from django.utils import timezone

from pipelines.batches.models import Batch, BatchState, BatchTurn
from pipelines.chat.pipeline import TURN
from pipelines.webhooks.announcing import event_announce
from pipelines.webhooks.models import EventType

if TYPE_CHECKING:
    from pipelines.jobs.models import Job


def turn_ended(job: Job) -> None:
    """Count a turn of a batch, in the transaction that ends it; a replay is not counted again."""
    if job.kind != TURN.kind or not job.is_bulk:
        return
    turn = BatchTurn.objects.filter(job=job, ended_at=None).first()
    if turn is not None:
        turn_count(turn)


def turn_count(turn: BatchTurn) -> None:
    """Note that a turn has ended; with the last one the batch has.

    The batch's row is changed first of all: of two last ones, the second sees the first.
    """
    batches = Batch.objects.filter(pk=turn.batch_id)
    batches.update(ended=F("ended") + 1)
    BatchTurn.objects.filter(pk=turn.pk).update(ended_at=timezone.now())
    complete = batches.filter(ended=F("total"), state=BatchState.IN_PROGRESS)
    if complete.update(state=BatchState.COMPLETED, finished_at=timezone.now()):
        batch_announce(batches.get())


def batch_announce(batch: Batch) -> None:
    """Tell the owner's endpoints that a batch has ended."""
    event = EventType(f"batch.{batch.state}")
    data = {
        "id": str(batch.pk),
        "object": "batch",
        "state": batch.state,
        "total": batch.total,
        "metadata": batch.metadata,
    }
    event_announce(batch.owner_id, event, data, parent=batch.job)
