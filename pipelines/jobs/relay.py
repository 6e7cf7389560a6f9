"""The relay: finds in the database what stands still, and sets it going again.

It is no task of a broker, because it repairs what the broker loses. Any number of relays may run:
they pass over each other's locked rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from pipelines.core.database import DATABASE_ERRORS
from pipelines.core.errors import TransientError, TurnpikeError
from pipelines.core.steps import Undeclared
from pipelines.jobs import ordering, shares
from pipelines.jobs.claims import attempt_failed
from pipelines.jobs.locks import lock_free_job
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.outbox import publish_due
from pipelines.jobs.services import job_end
from pipelines.jobs.states import ACTIVE, JobState, StepState, Waits

log = structlog.get_logger(__name__)


class WorkerLost(TransientError):
    """The worker stopped extending its lease."""

    code = "worker_lost"


class DeadlineExceeded(TurnpikeError):
    """The job's deadline passed before it ended."""

    code = "deadline_exceeded"


def tick(*, reclaim: bool = True) -> Counter[str]:
    """Do one round of all that a relay does: mend what stands still, then publish what is due."""
    return mend(reclaim=reclaim) + Counter(published=publish_due())


def mend(*, reclaim: bool = True) -> Counter[str]:
    """Do one round of repairs, which need the database alone; return how many of each kind.

    Args:
        reclaim: Whether expired leases mean lost workers. They do not just after the database
            was away, when nobody could extend one.
    """
    return Counter(
        leases=reclaim_expired() if reclaim else 0,
        deadlines=end_overdue(),
        stalled=wake_stalled(),
        admitted=admit_waiting(),
    )


def _repair(job_ids: Iterable[UUID], repair: Callable[[Job], bool]) -> int:
    """Lock one active job after another and repair it; what goes wrong with one stops no other."""
    count = 0
    for job_id in job_ids:
        try:
            with transaction.atomic():
                job = lock_free_job(job_id)
                count += job is not None and job.state in ACTIVE and repair(job)
        except DATABASE_ERRORS:
            raise
        except Undeclared:
            log.info("relay.left_to_a_newer_release", job_id=str(job_id))
        except Exception:
            log.exception("relay.job_failed", job_id=str(job_id))
    return count


def reclaim_expired() -> int:
    """Take back the steps whose worker no longer extends its lease."""
    now = timezone.now()
    expired = JobStep.objects.filter(state=StepState.IN_PROGRESS, lease_expires_at__lt=now)

    def take_back(job: Job) -> bool:
        step = expired.filter(job=job).first()
        if step is None:
            return False
        log.warning("relay.lease_expired", job_id=str(job.pk), step=step.name, worker=step.worker)
        lost = WorkerLost(f"{step.worker} stopped in attempt {step.attempt}.")
        attempt_failed(job, step, lost)
        return True

    ids = expired.order_by("lease_expires_at").values_list("job_id", flat=True)
    return _repair(list(ids[: settings.RELAY_BATCH]), take_back)


def end_overdue() -> int:
    """End the jobs whose deadline has passed."""
    overdue = Job.objects.filter(state__in=ACTIVE, deadline__lte=timezone.now())

    def end(job: Job) -> bool:
        job_end(job, JobState.FAILED, error=DeadlineExceeded())
        return True

    return _repair(list(overdue.values_list("pk", flat=True)[: settings.RELAY_BATCH]), end)


def wake_stalled() -> int:
    """Wake the jobs that nothing holds back and nothing moves.

    No code path leaves a job so; a crash of a kind nobody thought of may, and it must not last.
    """
    moving = JobStep.objects.filter(job=OuterRef("pk")).filter(
        Q(state=StepState.IN_PROGRESS) | Q(state=StepState.QUEUED, ready_at__isnull=False)
    )
    stalled = (
        Job.objects.filter(~Exists(moving), state__in=ACTIVE)
        .exclude(waits_for=Waits.SHARE)
        .filter(Q(ordering_key="") | ~Exists(_before_in_lane()))
    )
    return _repair(list(stalled.values_list("pk", flat=True)[: settings.RELAY_BATCH]), _wake)


def _before_in_lane() -> QuerySet[Job]:
    """Choose the active jobs before one of its lane; `job_lane` is an index of jobs with a key."""
    return Job.objects.filter(
        ~Q(ordering_key=""),
        ordering_key=OuterRef("ordering_key"),
        ordering_number__lt=OuterRef("ordering_number"),
        state__in=ACTIVE,
    )


def admit_waiting() -> int:
    """Let in the jobs whose owner has room for them by now."""

    def admit(job: Job) -> bool:
        return job.waits_for == Waits.SHARE and ordering.make_ready(job)

    return _repair(list(shares.admissible()), admit)


def _wake(job: Job) -> bool:
    steps = list(job.steps.all())
    if all(step.state == StepState.COMPLETED for step in steps):
        job_end(job, JobState.COMPLETED, output=steps[-1].output if steps else None)
    elif not ordering.make_ready(job):
        return False
    log.warning("relay.stalled", job_id=str(job.pk))
    return True
