"""Webhooks: of each end of a turn, whoever asked for it is told, under one id."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.chaos.checks.violation import Violation, each
from tests.acceptance.chaos.facts import Facts
from tests.acceptance.chaos.journal import Journal

# A job that was run again has ended more than once.
_UNTOLD = """
SELECT m.id AS job, m.state, count(DISTINCT line.id) AS ends, count(DISTINCT d.id) AS told
FROM mine m JOIN webhooks_endpoint e ON e.owner_id = m.owner_id AND e.created_at < m.created_at
JOIN jobs_jobevent line ON line.job_id = m.id
    AND line.type IN ('job.completed', 'job.failed', 'job.cancelled')
LEFT JOIN jobs_job teller ON teller.parent_id = m.id AND teller.kind = 'webhooks.delivery'
LEFT JOIN webhooks_delivery d ON d.job_id = teller.id
WHERE m.kind = 'chat.turn'
GROUP BY m.id, m.state HAVING count(DISTINCT line.id) <> count(DISTINCT d.id)
"""
_DELIVERIES = """
SELECT 'evt_' || replace(d.id::text, '-', '') AS event, d.state, m.id AS job, m.state AS job_state
FROM mine m JOIN webhooks_delivery d ON d.job_id = m.id
"""


def check(facts: Facts, journal: Journal) -> Iterator[Violation]:
    """Compare the ends with what was written down to be told, and that with what arrived."""
    yield from each("webhooks", "ends of a turn and deliveries differ", facts.rows(_UNTOLD))
    arrived = set(facts.world.hooks.ids())
    rows = facts.rows(_DELIVERIES)
    lost = [row for row in rows if row["event"] not in arrived]
    yield from each("webhooks", "an event never arrived", lost)
    unsaid = [row for row in rows if row not in lost and row["state"] != "delivered"]
    yield from each("webhooks", "an event arrived, and nothing says so", unsaid)
