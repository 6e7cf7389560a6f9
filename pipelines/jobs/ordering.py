"""Jobs with one ordering key run one after another, in the order in which they were accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from pipelines.core.dispatch import publish_on_commit
from pipelines.jobs.hints import remaining_hint
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.states import ACTIVE, StepState, Waits

# Told to whoever asks for the job.
REASONS = {
    Waits.NOTHING: "",
    Waits.LANE: "waits for the one before it",
    Waits.SHARE: "waits for its owner's other jobs",
}
ORDER_CONSTRAINT = "job_order"

Written = TypeVar("Written")


@transaction.atomic(savepoint=False)
def in_lane(key: str, write: Callable[[int, bool], Written]) -> Written:
    """Write a job into its lane: `write(number, is_clear)` says where, and what is before it.

    Two that come at once read the same number. The constraint on key and number lets one of them
    through; the other waits for it, finds the number taken, and looks again. It keeps the lock of
    the job before it meanwhile: PostgreSQL has those that wait for a lock taken in a savepoint
    wait for the whole transaction, even if the savepoint is rolled back, and asking for the same
    lock behind them again would be a deadlock.
    """
    if not key:
        return write(0, True)
    while True:
        number, is_clear = _take_number(key)
        try:
            with transaction.atomic():
                return write(number, is_clear)
        except IntegrityError as error:
            if ORDER_CONSTRAINT not in str(error):
                raise


def _take_number(key: str) -> tuple[int, bool]:
    """Read the next number of a key, and whether nothing is before it.

    The number is read first: whoever writes between the two reads has taken it. Locking the last
    job that is still active makes one of two things true: its end sees the new job, or it has
    ended.
    """
    lane = Job.objects.filter(ordering_key=key).order_by("-ordering_number")
    last = lane.values_list("ordering_number", flat=True).first()
    if last is None:
        return 1, True
    return last + 1, _lock_first(lane) is None


def release_next(ended: Job) -> bool:
    """Give the place of a job that has just ended to the next of its key; False without one.

    One that waited for its owner's share leaves the next one waiting for it.
    """
    if not ended.ordering_key or ended.waits_for == Waits.LANE:
        return False
    lane = Job.objects.filter(ordering_key=ended.ordering_key).order_by("ordering_number")
    number = ended.ordering_number
    first = lane.filter(state__in=ACTIVE).values_list("ordering_number", flat=True).first()
    if first is None or first < number:
        return False
    following = _lock_first(lane.filter(ordering_number__gt=number))
    if following is None:
        return False
    if ended.waits_for == Waits.SHARE:
        hold_back(following, Waits.SHARE)
    else:
        make_ready(following)
    return True


def _lock_first(jobs: QuerySet[Job]) -> Job | None:
    """Lock the first of some jobs that is active.

    It may end while its lock is waited for; then the next one is looked up, with a fresh view.
    PostgreSQL keeps the lock of a row that it does not return any more. Only a savepoint gives it
    back; held on to, it would be out of order with the next one's.
    """
    active = jobs.filter(state__in=ACTIVE)
    while (job_id := active.values_list("pk", flat=True).first()) is not None:
        with transaction.atomic():
            job = active.select_for_update(no_key=True).filter(pk=job_id).first()
            if job is not None:
                return job
            transaction.set_rollback(True)
    return None


def hold_back(job: Job, waits_for: Waits) -> None:
    """Have a job that was not let in wait for something else."""
    Job.objects.filter(pk=job.pk).update(waits_for=waits_for)
    first = job.steps.filter(state=StepState.QUEUED).values("pk")[:1]
    JobStep.objects.filter(pk__in=first).update(reason=REASONS[waits_for])


def make_ready(job: Job) -> bool:
    """Let a job in: make its next step ready and publish it; False when that was done before."""
    steps = list(job.steps.filter(state__in=[StepState.QUEUED, StepState.IN_PROGRESS]))
    if not steps or steps[0].state != StepState.QUEUED or steps[0].ready_at is not None:
        return False
    now = timezone.now()
    Job.objects.filter(pk=job.pk).update(waits_for=Waits.NOTHING)
    JobStep.objects.filter(pk=steps[0].pk).update(ready_at=now, published_at=now, reason="")
    publish_on_commit(remaining_hint(job, steps))
    return True
