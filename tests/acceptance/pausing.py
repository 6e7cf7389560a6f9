"""A worker's app that stops at a named point of a step, so that a test can kill it just there.

A file `<step>.<point>` in the folder PAUSE_DIR asks for one pause; the process that takes it
renames the file, adding its own id, and waits for its end. Points: `begun`, after the claim;
`recording`, with the effect written and not yet committed; of `mail.send` also `accepted`, when
the transport has the e-mail and nothing says so yet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from workers.app import app

# The app sets Django up, and what follows needs that.
# isort: split
from pipelines.core.steps import Step
from pipelines.jobs.claims import Outcome
from pipelines.mail import sending
from pipelines.mail.models import Email
from workers import base

__all__ = ["app"]

FOREVER = 600.0


def _pause(step: str, point: str) -> None:
    wanted = Path(os.environ["PAUSE_DIR"]) / f"{step}.{point}"
    try:
        wanted.rename(wanted.with_name(f"{wanted.name}.{os.getpid()}.paused"))
    except FileNotFoundError:
        return
    time.sleep(FOREVER)


class PausingRun(base.Run):
    """A run that may stop before it commits."""

    @contextmanager
    def recording(self) -> Iterator[Outcome]:
        """Stop with the effect written, if asked to."""
        with super().recording() as outcome:
            yield outcome
            _pause(self.claim.name, "recording")


_execute = base.execute
_email_sent = sending.email_sent


def _email_sent_pausing(*, email: Email, transport: str, provider_id: str) -> None:
    _pause("mail.send", "accepted")
    _email_sent(email=email, transport=transport, provider_id=provider_id)


def _execute_pausing(
    step: Step, body: base.Body, job_id: UUID, epoch: int, worker: str, task_id: str
) -> None:
    def paused(run: base.Run) -> None:
        _pause(step.name, "begun")
        body(run)

    _execute(step, paused, job_id, epoch, worker, task_id)


base.Run = PausingRun  # type: ignore[misc]
base.execute = _execute_pausing
sending.email_sent = _email_sent_pausing
