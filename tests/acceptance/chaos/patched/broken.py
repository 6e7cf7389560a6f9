"""Three ways to break the product on purpose, which the suite must notice: the variable BREAK.

no_fencing             what a stale worker does is recorded, as if the attempt did not matter
publish_before_commit  messages leave before the commit, and nobody looks for the lost ones
no_relay               the relays run and repair nothing
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from pipelines.core import dispatch
from pipelines.core.errors import TurnpikeError
from pipelines.jobs import claims, ordering, outbox, relay, services
from pipelines.jobs.models import Job, JobStep
from pipelines.mail import sending


def _no_fencing() -> None:
    from workers import base, leases

    def lock_anyhow(job_id: UUID, step_id: int, attempt: int) -> tuple[Job, JobStep]:
        job = Job.objects.select_for_update(no_key=True).get(pk=job_id)
        return job, JobStep.objects.get(pk=step_id)

    def never_lost(keeper: leases.LeaseKeeper, lost: Mapping[claims.Claim, TurnpikeError]) -> None:
        """Let every claim be held for ever."""

    def never_stale(run: base.Run) -> None:
        """Let the run go on."""

    claims.lock_attempt = lock_anyhow  # type: ignore[attr-defined]
    sending.lock_attempt = lock_anyhow  # type: ignore[attr-defined]
    leases.LeaseKeeper._lose = never_lost  # type: ignore[method-assign,assignment]
    base.Run.check = never_stale  # type: ignore[method-assign,assignment]


def _publish_before_commit() -> None:
    def publish_now(hint: dispatch.Hint) -> None:
        if not hint.steps:
            return
        try:
            dispatch.publish(hint)
        except dispatch.BROKER_ERRORS:
            return

    def find_nothing(now: datetime) -> list[outbox.Due]:
        return []

    for module in (dispatch, services, ordering):
        module.publish_on_commit = publish_now  # type: ignore[attr-defined]
    outbox._lost = find_nothing


def _no_relay() -> None:
    def mend_nothing(*, reclaim: bool = True) -> Counter[str]:
        return Counter()

    def publish_nothing() -> int:
        return 0

    # Before the command is imported, which takes the second by its name.
    relay.mend = mend_nothing
    outbox.publish_due = publish_nothing


WAYS: dict[str, Callable[[], None]] = {
    "no_fencing": _no_fencing,
    "publish_before_commit": _publish_before_commit,
    "no_relay": _no_relay,
}


def patch() -> None:
    """Break what CHAOS_BREAK names, if anything."""
    way = os.environ.get("CHAOS_BREAK", "")
    if way:
        WAYS[way]()
