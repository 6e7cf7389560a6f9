"""What every step's task does around its body: claim, keep the lease, record or give up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any
from uuid import UUID

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from celery import Task
from celery.exceptions import Ignore
from django.db import InterfaceError, OperationalError

from pipelines.core.database import DATABASE_ERRORS, refresh_connection
from pipelines.core.errors import (
    JobCancelled,
    NotClaimable,
    StaleAttempt,
    TransientError,
    TurnpikeError,
    Unavailable,
)
from pipelines.core.steps import Step
from pipelines.jobs import claims
from pipelines.jobs.claims import Claim, Outcome
from pipelines.jobs.tail import Tail
from project.celery import app
from workers.leases import keeper

log = structlog.get_logger(__name__)


class TimedOut(TransientError):
    """The step ran longer than its time limit."""

    code = "timed_out"


class Bug(TurnpikeError):
    """Turnpike itself went wrong; the worker's log has the traceback."""

    code = "internal_error"


class Run:
    """One attempt at a step, as its body sees it."""

    def __init__(self, claim: Claim) -> None:
        """Wrap a claim whose lease is being kept."""
        self.claim = claim

    @property
    def job_id(self) -> UUID:
        """The job's id."""
        return self.claim.job_id

    @property
    def input(self) -> dict[str, Any]:
        """The job's input."""
        return self.claim.input

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """What the steps before this one left behind, by name."""
        return self.claim.outputs

    def check(self) -> None:
        """Raise JobCancelled or StaleAttempt once the step is lost; call it in every long loop."""
        keeper().check(self.claim)

    def on_lost(self, callback: Callable[[TurnpikeError], None]) -> AbstractContextManager[None]:
        """Have a callback called, in a thread of its own, when the step is lost in the block.

        It is given what `check` raises: JobCancelled when nobody goes on with the step,
        StaleAttempt when another attempt does.
        """
        return keeper().on_lost(self.claim, callback)

    def progress(self, **progress: Any) -> None:
        """Note how far this attempt has come."""
        claims.step_progress(self.claim, **progress)

    def text_begin(self, **progress: Any) -> Tail:
        """Begin the step's text, or begin it afresh, and note how far this attempt has come."""
        return Tail(self.job_id, claims.text_begin(self.claim, **progress))

    def text_resume(self, text: str, /, **progress: Any) -> Tail:
        """Go on with the text of an earlier attempt, and note how far this one has come."""
        self.progress(**progress)
        return Tail(self.job_id, self.claim.progress.get("generation", 0), text)

    @contextmanager
    def recording(self) -> Iterator[Outcome]:
        """Record the effect and the step's completion, both or neither."""
        # The work may have outlasted the connection; a new one is made before it matters.
        refresh_connection()
        with claims.step_recording(self.claim) as outcome:
            yield outcome


Body = Callable[[Run], None]


def step_task(step: Step) -> Callable[[Body], Body]:
    """Register a body as the task of a step; on the wire it is `<step name>(job_id, epoch)`.

    What a later release may send beside them is passed over.
    """

    def register(body: Body) -> Body:
        @wraps(body)
        def task(self: Task, job_id: str, epoch: int, **_later: Any) -> None:  # type: ignore[type-arg]
            request = self.request
            with structlog.contextvars.bound_contextvars(job_id=job_id, step=step.name):
                execute(step, body, UUID(job_id), epoch, request.hostname or "", request.id or "")

        # The stubs lose the keywords of a bound task.
        app.task(name=step.name, bind=True)(task)  # type: ignore[arg-type]
        return body

    return register


def execute(step: Step, body: Body, job_id: UUID, epoch: int, worker: str, task_id: str) -> None:
    """Run one delivery of a step's message.

    Raises:
        Ignore: The delivery was not needed, or the step was put off; the chain ends here.
        Exception: The attempt failed. It has been recorded; Celery keeps the traceback.
    """
    try:
        claim = claims.step_claim(
            job_id=job_id, epoch=epoch, name=step.name, worker=worker, task_id=task_id
        )
    except NotClaimable as error:
        raise Ignore from error
    try:
        with keeper().hold(claim):
            body(Run(claim))
    except (StaleAttempt, JobCancelled) as error:
        log.info("step.abandoned", attempt=claim.attempt, code=error.error_code)
        raise Ignore from error
    except Exception as error:
        if _give_up(claim, _as_ours(step, error)):
            raise Ignore from error
        raise
    log.info("step.completed", attempt=claim.attempt)


def _as_ours(step: Step, error: Exception) -> TurnpikeError:
    """Translate what a body raised into an error whose class says whether to try again."""
    if isinstance(error, TurnpikeError):
        return error
    if isinstance(error, SoftTimeLimitExceeded):
        return TimedOut(f"{step.name} ran longer than {step.soft_time_limit} seconds.")
    if isinstance(error, OperationalError | InterfaceError):
        return Unavailable("The database did not answer.", code="database_unavailable")
    return Bug()


def _give_up(claim: Claim, error: TurnpikeError) -> bool:
    """Record what went wrong; return whether it only puts the step off."""
    log.warning("step.failed", attempt=claim.attempt, code=error.error_code, detail=error.detail)
    refresh_connection()
    try:
        return claims.step_give_up(claim, error)
    except (StaleAttempt, JobCancelled):
        log.info("step.abandoned", attempt=claim.attempt)
    except DATABASE_ERRORS:
        # The lease runs out and the relay takes the step back: nothing is lost but time.
        log.warning("step.unrecorded", attempt=claim.attempt)
    return False
