"""I1 and I8: every accepted job is there, and has ended."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.chaos.checks.violation import Violation, each
from tests.acceptance.chaos.facts import Facts
from tests.acceptance.chaos.journal import Journal

_OPEN_STEPS = """
SELECT m.id AS job, m.kind, m.state, s.name AS step, s.state AS step_state FROM mine m
JOIN jobs_jobstep s ON s.job_id = m.id
WHERE (m.state = 'completed' AND s.state <> 'completed')
   OR (m.state IN ('failed', 'cancelled') AND s.state IN ('queued', 'in_progress'))
"""
_BUGS = """
SELECT m.id AS job, m.kind, s.name AS step, s.attempt, m.error_code, m.error_detail FROM mine m
JOIN jobs_jobstep s ON s.job_id = m.id AND s.state = 'failed'
WHERE m.error_code = 'internal_error'
"""
_WRONG_END = """
SELECT m.id AS job, m.kind, m.state FROM mine m
WHERE m.state NOT IN ('queued', 'in_progress') AND m.finished_at IS NULL
"""


def check(facts: Facts, journal: Journal) -> Iterator[Violation]:
    """Look for jobs that are missing, stuck, or ended in part."""
    yield from each("I1", "an accepted job has not ended", facts.active())
    there = {str(row["id"]): row for row in facts.rows("SELECT id, state, kind FROM mine")}
    for person in journal.people:
        gone = [{"job": job, "kind": kind} for job, kind in person.accepted.items()]
        missing = [row for row in gone if row["job"] not in there]
        yield from each("I1", "an accepted job is not in the database", missing)
        revived = [
            {"job": job, "state": there[job]["state"]}
            for job in person.cancelled & there.keys()
            if there[job]["state"] != "cancelled"
        ]
        yield from each("I1", "a cancelled job did not stay cancelled", revived)
    yield from each("I1", "a job has ended and one of its steps has not", facts.rows(_OPEN_STEPS))
    yield from each("I1", "a job failed by a mistake in the product", facts.rows(_BUGS))
    yield from each("I1", "a job has ended and says not when", facts.rows(_WRONG_END))
