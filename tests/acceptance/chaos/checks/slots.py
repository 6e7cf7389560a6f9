"""I9: two beats that run at once run each slot once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.acceptance.chaos.checks.violation import Violation, each
from tests.acceptance.chaos.facts import Facts
from tests.acceptance.chaos.journal import Journal

# Seconds after a slot in which its job may still be accepted.
LATE = 30.0
_TWICE = """
SELECT kind, input->>'slot' AS slot, count(*) AS jobs, string_agg(id::text, ',') AS ids FROM mine
WHERE owner_id IS NULL AND input ? 'slot' GROUP BY 1, 2 HAVING count(*) > 1
"""
_SLOTS = "SELECT kind, input->>'slot' AS slot FROM mine WHERE owner_id IS NULL AND input ? 'slot'"


def check(facts: Facts, journal: Journal) -> Iterator[Violation]:
    """Look for slots that ran twice, and for those that never ran."""
    yield from each("I9", "a slot ran more than once", facts.rows(_TWICE))
    there = {(row["kind"], datetime.fromisoformat(row["slot"])) for row in facts.rows(_SLOTS)}
    missed = [
        {"kind": kind, "slot": slot.isoformat()}
        for kind in sorted({kind for kind, _ in there})
        for slot in _due(facts.since)
        if (kind, slot) not in there
    ]
    yield from each("I9", "a slot was never run", missed)


def _due(since: float) -> Iterator[datetime]:
    """Every minute that began while the run lasted, but for the very last."""
    slot = datetime.fromtimestamp(since, UTC).replace(second=0, microsecond=0)
    while (slot := slot + timedelta(minutes=1)).timestamp() < time.time() - LATE:
        yield slot
