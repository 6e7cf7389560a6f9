"""I4: a balance is never negative and is the sum of its ledger; a turn is charged once or never."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.chaos.checks.violation import Violation, each
from tests.acceptance.chaos.facts import Facts
from tests.acceptance.chaos.journal import Journal
from tests.acceptance.chaos.world import CREDITS_PER_TURN

_OWNERS = "SELECT DISTINCT owner_id FROM mine WHERE owner_id IS NOT NULL"
_BALANCES = f"""
SELECT b.owner_id AS owner, b.amount, b.held, e.total, e.open FROM credits_balance b
CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.amount), 0) AS total, coalesce(-sum(e.amount) FILTER (
        WHERE e.kind = 'reserve' AND NOT EXISTS (SELECT 1 FROM credits_entry r WHERE
            r.kind = 'release' AND r.job_id = e.job_id AND r.epoch = e.epoch)), 0) AS open
    FROM credits_entry e WHERE e.owner_id = b.owner_id
) e
WHERE b.owner_id IN ({_OWNERS})
AND (b.amount < 0 OR b.held < 0 OR b.amount <> e.total OR b.held <> e.open)
"""
_HELD = """
SELECT m.id AS job, m.state, m.epoch, e.amount FROM mine m
JOIN credits_entry e ON e.job_id = m.id AND e.kind = 'reserve'
WHERE m.state NOT IN ('queued', 'in_progress') AND NOT EXISTS (SELECT 1 FROM credits_entry r
    WHERE r.kind = 'release' AND r.job_id = e.job_id AND r.epoch = e.epoch)
"""
# What was charged: a completed turn its price, a failed one nothing, a cancelled one either.
_CHARGED = """
SELECT m.id AS job, m.state, m.epoch, coalesce(-sum(e.amount), 0) AS charged, count(e.id) AS times
FROM mine m LEFT JOIN credits_entry e ON e.job_id = m.id AND e.kind = 'settle'
WHERE m.kind = 'chat.turn' GROUP BY 1, 2, 3
"""
_PRICES = {
    "completed": {CREDITS_PER_TURN},
    "failed": {0},
    "cancelled": {0, CREDITS_PER_TURN},
}


def check(facts: Facts, journal: Journal) -> Iterator[Violation]:
    """Add every ledger up."""
    yield from each("I4", "a balance is not the sum of its ledger", facts.rows(_BALANCES))
    yield from each("I4", "credits are held for a job that has ended", facts.rows(_HELD))
    wrong = [
        row for row in facts.rows(_CHARGED) if row["charged"] not in _PRICES.get(row["state"], {0})
    ]
    yield from each("I4", "a turn was not charged as it should have been", wrong)
