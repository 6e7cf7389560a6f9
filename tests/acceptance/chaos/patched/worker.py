"""The workers' app with points in each step.

`<step>.begun` after the claim; `<step>.worked` before anything is recorded; `<step>.recording`
with the effect written and not yet committed; `<step>.recorded` after the commit, before the
chain's next link is published; `mail.send.accepted` when the transport has the e-mail and nothing
says so yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from workers.app import app

# The app sets Django up, and what follows needs that.
# isort: split
from pipelines.core.steps import Step
from pipelines.jobs.claims import Outcome
from pipelines.mail import sending
from pipelines.mail.models import Email
from tests.acceptance.chaos.patched import broken, deliveries
from tests.acceptance.chaos.patched.points import reach
from workers import base

__all__ = ["app"]

POINTS = ("begun", "worked", "recording", "recorded")


class PointedRun(base.Run):
    """A run that may end or stop at any of its points."""

    @contextmanager
    def recording(self) -> Iterator[Outcome]:
        """Record, by way of the points."""
        name = self.claim.name
        reach(f"{name}.worked")
        with super().recording() as outcome:
            yield outcome
            reach(f"{name}.recording")
        reach(f"{name}.recorded")


_execute = base.execute
_email_sent = sending.email_sent


def _execute_by_points(
    step: Step, body: base.Body, job_id: UUID, epoch: int, worker: str, task_id: str
) -> None:
    def begun(run: base.Run) -> None:
        reach(f"{step.name}.begun")
        body(run)

    _execute(step, begun, job_id, epoch, worker, task_id)


def _email_sent_by_points(*, email: Email, transport: str, provider_id: str) -> None:
    reach("mail.send.accepted")
    _email_sent(email=email, transport=transport, provider_id=provider_id)


base.Run = PointedRun  # type: ignore[misc]
base.execute = _execute_by_points
sending.email_sent = _email_sent_by_points
deliveries.patch(app)
broken.patch()
