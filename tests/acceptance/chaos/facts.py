"""What the database says at the end, read past the product: plain rows, by plain SQL."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.acceptance.chaos.world import DATABASE, World

Row = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """Reads of one run's rows: those of its people, and the house's since it began.

    Attributes:
        world: Where.
        emails: The people's addresses.
        since: When the run began, in seconds since the epoch.
    """

    world: World
    emails: list[str]
    since: float

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """Read rows; `mine` in the query stands for the jobs of this run."""
        mine = (
            "WITH mine AS (SELECT j.*, u.email AS owner_email FROM jobs_job j "
            "LEFT JOIN accounts_user u ON u.id = j.owner_id "
            "WHERE u.email = ANY(%s) OR (j.owner_id IS NULL AND j.created_at >= to_timestamp(%s))) "
        )
        return self.world.postgres.rows(DATABASE, mine + query, [self.emails, self.since, *values])

    def active(self) -> list[Row]:
        """The jobs that have not ended, with the step that is next and why it waits."""
        return self.rows(
            "SELECT m.id AS job, m.kind, m.state, m.epoch, s.name AS step, s.state AS step_state,"
            " s.attempt, s.ready_at, s.published_at, s.lease_expires_at, s.reason, s.worker,"
            " s.ready_at > now() AS is_early"
            " FROM mine m LEFT JOIN LATERAL (SELECT * FROM jobs_jobstep s WHERE s.job_id = m.id"
            " AND s.state IN ('queued', 'in_progress') ORDER BY s.position LIMIT 1) s ON true"
            " WHERE m.state IN ('queued', 'in_progress')"
        )

    def last_event(self) -> int:
        """The number of the newest line in a log of one of the people's jobs."""
        newest = self.rows(
            "SELECT e.id FROM jobs_jobevent e JOIN mine m ON m.id = e.job_id"
            " WHERE m.owner_id IS NOT NULL ORDER BY e.id DESC LIMIT 1"
        )
        return int(newest[0]["id"]) if newest else 0

    def states(self) -> dict[str, dict[str, int]]:
        """Count the jobs by kind and state."""
        counts: dict[str, dict[str, int]] = {}
        for row in self.rows(
            "SELECT kind, state, count(*) AS n FROM mine GROUP BY 1, 2 ORDER BY 1"
        ):
            counts.setdefault(row["kind"], {})[row["state"]] = row["n"]
        return counts

    def failures(self) -> dict[str, int]:
        """Count the failed jobs by the code of their error."""
        query = "SELECT error_code, count(*) AS n FROM mine WHERE state = 'failed' GROUP BY 1"
        return {row["error_code"]: row["n"] for row in self.rows(query)}


def settle(facts: Facts, *, patience: float, limit: float) -> float:
    """Wait until every job has ended, or nothing has moved for so long; a start is a movement, too.

    Args:
        facts: Whose jobs.
        patience: Seconds without any line in a log, and without a retry to come.
        limit: Seconds in all.

    Returns:
        Seconds that it took.
    """
    began = moved = time.monotonic()
    last = facts.last_event()
    while (active := facts.active()) and time.monotonic() - began < limit:
        now, newest = time.monotonic(), facts.last_event()
        if newest != last or any(row["is_early"] for row in active):
            last, moved = newest, now
        born = time.time() - facts.world.supervisor.last_start
        if min(now - moved, born) > patience:
            break
        time.sleep(0.5)
    return time.monotonic() - began
