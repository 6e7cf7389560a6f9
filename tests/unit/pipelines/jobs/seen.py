"""What the rows of jobs and their steps said at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.states import ACTIVE, JobState, StepState


@dataclass(frozen=True)
class StepSeen:
    """What a step's row said."""

    name: str
    state: StepState
    attempt: int
    forgiven: int
    ready_at: datetime | None
    lease: datetime | None


@dataclass(frozen=True)
class JobSeen:
    """What a job's rows said."""

    state: JobState
    epoch: int
    lane: str
    owner: UUID | None
    is_bulk: bool
    end: tuple[Any, ...]
    steps: tuple[StepSeen, ...]

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE

    @property
    def moves(self) -> bool:
        """Whether a worker or a time that was set will carry it on."""
        return any(
            row.state == StepState.IN_PROGRESS or (row.state == StepState.QUEUED and row.ready_at)
            for row in self.steps
        )

    def may_wait_for(self, other: JobSeen) -> bool:
        """Whether another job's end can be what lets this one in."""
        if self.lane == other.lane != "":
            return True
        is_rival = self.is_bulk or self.owner == other.owner
        return is_rival and self.is_bulk == other.is_bulk


def look() -> dict[UUID, JobSeen]:
    """Read every job with its steps, by the job's id; two queries."""
    rows: dict[UUID, list[StepSeen]] = {}
    fields = ("name", "state", "attempt", "forgiven", "ready_at", "lease_expires_at")
    for job_id, name, state, *rest in JobStep.objects.order_by("position").values_list(
        "job_id", *fields
    ):
        rows.setdefault(job_id, []).append(StepSeen(name, StepState(state), *rest))
    return {
        job.pk: JobSeen(
            JobState(job.state),
            job.epoch,
            job.ordering_key,
            job.owner_id,
            job.priority < 0,
            (job.output, job.error_code, job.error_detail, job.finished_at),
            tuple(rows[job.pk]),
        )
        for job in Job.objects.all()
    }
