"""Reads of batches, each scoped to one owner."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Count, QuerySet

from pipelines.batches.models import Batch, BatchTurn
from pipelines.core.errors import JobCancelled, NotFound
from pipelines.jobs.states import JobState

if TYPE_CHECKING:
    from pipelines.accounts.models import User


# What a turn without a job counts as, by its error.
_UNACCEPTED = {"": "waiting", JobCancelled.code: str(JobState.CANCELLED)}


def batches_of(owner: User) -> QuerySet[Batch]:
    """Every batch of an owner, newest first."""
    return Batch.objects.filter(owner=owner).order_by("-id")


def batch_get(owner: User, batch_id: UUID) -> Batch:
    """Return one batch; NotFound when it does not exist or is another's."""
    found = batches_of(owner).filter(pk=batch_id).first()
    if found is None:
        raise NotFound("There is no such batch.")
    return found


def turns_of(batch: Batch) -> QuerySet[BatchTurn]:
    """The turns of a batch in their order, with their jobs."""
    return BatchTurn.objects.filter(batch=batch).select_related("job").order_by("position")


def counts_of(batch: Batch) -> dict[str, int]:
    """Count a batch's turns by state.

    Besides the states of jobs: `waiting`, not accepted yet; `refused`, never accepted.
    """
    counts = {"waiting": 0, "refused": 0, **{str(state): 0 for state in JobState}}
    rows = BatchTurn.objects.filter(batch=batch).order_by().values_list("job__state", "error_code")
    for state, error_code, count in rows.annotate(count=Count("pk")):
        counts[state or _UNACCEPTED.get(error_code, "refused")] += count
    return counts
