"""Dead letters: running many failed jobs again, each from the step that failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from pipelines.core.errors import NotFound, TurnpikeError
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_replay


@dataclass
class Replays:
    """What became of the jobs that were to run again."""

    replayed: list[UUID] = field(default_factory=list)
    refused: dict[UUID, TurnpikeError] = field(default_factory=dict)


def jobs_replay(*, job_ids: Iterable[UUID]) -> Replays:
    """Run failed jobs again, each in a transaction of its own.

    The oldest comes first, so that the turns of one conversation keep their order. One that is
    refused, because it did not fail or is gone, stops no other.
    """
    done = Replays()
    for job_id in sorted(set(job_ids)):
        try:
            job_replay(job_id=job_id)
        except TurnpikeError as error:
            done.refused[job_id] = error
        except Job.DoesNotExist:
            done.refused[job_id] = NotFound("There is no such job.")
        else:
            done.replayed.append(job_id)
    return done
