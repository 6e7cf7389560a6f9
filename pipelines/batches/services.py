"""Writes to batches: take one in, accept its turns by and by, cancel the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from pipelines.batches.models import Batch, BatchState, BatchTurn
from pipelines.batches.pipeline import BATCH
from pipelines.batches.progress import batch_announce, turn_count
from pipelines.chat.services import check_message, check_metadata, turn_accept
from pipelines.core.errors import (
    Conflict,
    InvalidInput,
    JobCancelled,
    TransientError,
    TurnpikeError,
)
from pipelines.jobs.services import job_accept, job_cancel
from pipelines.jobs.states import ACTIVE

if TYPE_CHECKING:
    from pipelines.accounts.models import User

_ROWS = 500


def batch_accept(
    *,
    owner: User,
    turns: Sequence[Mapping[str, Any]],
    metadata: Mapping[str, Any] | None = None,
) -> Batch:
    """Write a batch down with the job that accepts its turns.

    Args:
        owner: Who speaks.
        turns: What `turn_accept` takes of each, as JSON, and perhaps a `custom_id`.
        metadata: The client's own data.

    Raises:
        InvalidInput: There are none, more than BATCH_MAX_TURNS, or two of one `custom_id`.
        MessageTooLarge: A message is longer than its limit.
    """
    kept = dict(check_metadata(metadata or {}))
    _check(turns)
    with transaction.atomic():
        batch = Batch(owner=owner, total=len(turns), metadata=kept)
        # The house's own: it is under way for as long as the batch, and takes no room of a share.
        batch.job = job_accept(pipeline=BATCH, owner=None, input={"batch_id": str(batch.pk)})
        batch.save(force_insert=True)
        rows = (
            BatchTurn(
                batch=batch,
                position=position,
                custom_id=turn.get("custom_id", ""),
                body={name: value for name, value in turn.items() if name != "custom_id"},
            )
            for position, turn in enumerate(turns)
        )
        BatchTurn.objects.bulk_create(rows, batch_size=_ROWS)
    return batch


def _check(turns: Sequence[Mapping[str, Any]]) -> None:
    if not turns:
        raise InvalidInput("A batch holds some turn.", code="empty", field="turns")
    if len(turns) > (most := settings.BATCH_MAX_TURNS):
        raise InvalidInput(
            f"A batch has at most {most} turns.", code="too_many_turns", field="turns"
        )
    for turn in turns:
        check_message(turn["message"])
    names = [turn["custom_id"] for turn in turns if turn.get("custom_id")]
    if len(set(names)) < len(names):
        raise InvalidInput("Two turns have one custom_id.", code="custom_id_taken", field="turns")


def turns_accept_some(batch_id: UUID) -> bool:
    """Accept the next turns of a batch, each in a transaction of its own.

    Of one batch BATCH_AHEAD turns are under way at most: so few are to be cancelled.

    Returns:
        Whether none is left to be accepted.

    Raises:
        TransientError: No turn is accepted just now; what was accepted before stays so.
    """
    unaccepted = BatchTurn.objects.filter(batch=batch_id, job=None, ended_at=None)
    under_way = BatchTurn.objects.filter(batch=batch_id, job__state__in=ACTIVE).count()
    room = max(0, settings.BATCH_AHEAD - under_way)
    for turn_id in list(unaccepted.values_list("pk", flat=True)[:room]):
        _turn_accept(batch_id, turn_id)
    return not unaccepted.exists()


def _turn_accept(batch_id: UUID, turn_id: int) -> None:
    """Accept one turn, once, whoever else tries to; one that cannot be counts as ended."""
    with transaction.atomic():
        mine = BatchTurn.objects.select_for_update(no_key=True, of=("self",))
        turn = mine.filter(pk=turn_id, job=None, ended_at=None).first()
        if turn is None:
            return
        owner = Batch.objects.select_related("owner").get(pk=batch_id).owner
        try:
            with transaction.atomic():
                turn.job = turn_accept(owner=owner, service_tier="flex", **turn.body).job
        except TransientError:
            raise
        except TurnpikeError as error:
            turn.error_code, turn.error_detail = error.error_code, error.detail
        turn.body = {}
        turn.save(update_fields=["job", "body", "error_code", "error_detail"])
        if turn.error_code:
            turn_count(turn)


def batch_cancel(*, batch: Batch) -> Batch:
    """End a batch now: turns that were not accepted never are, those under way are cancelled.

    Raises:
        Conflict: It has ended already.
    """
    now = timezone.now()
    with transaction.atomic():
        # First: one that is being accepted at this moment is waited for, and has a job then.
        BatchTurn.objects.filter(batch=batch, job=None, ended_at=None).update(
            body={}, ended_at=now, error_code=JobCancelled.code
        )
        running = Batch.objects.filter(pk=batch.pk, state=BatchState.IN_PROGRESS)
        if not running.update(state=BatchState.CANCELLED, finished_at=now):
            raise Conflict("This batch has ended already.", code="already_ended")
        batch.refresh_from_db()
        batch_announce(batch)
    turns = BatchTurn.objects.filter(batch=batch, job__state__in=ACTIVE)
    for job_id in [batch.job_id, *turns.values_list("job", flat=True)]:
        if job_id is not None:
            job_cancel(job_id=job_id)
    return batch
