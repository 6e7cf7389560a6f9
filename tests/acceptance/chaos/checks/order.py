"""I3: the turns of a conversation are answered in the order accepted."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.chaos.checks.violation import Violation, each
from tests.acceptance.chaos.facts import Facts
from tests.acceptance.chaos.journal import Journal

# A job's place is that of its last acceptance: a replay goes to the end. The numbers of the log's
# lines rise with the commits, because the later turn is not ready before the earlier has ended.
_ANSWERED = """
SELECT * FROM (
    SELECT m.id AS job, m.ordering_key AS lane, m.ordering_number AS number, e.id AS line,
        lag(m.id) OVER lanes AS before, lag(e.id) OVER lanes AS line_before
    FROM mine m JOIN jobs_jobevent e ON e.job_id = m.id AND e.type = 'job.completed'
    WHERE m.kind IN ('chat.turn', 'knowledge.ingest')
    WINDOW lanes AS (PARTITION BY m.ordering_key ORDER BY m.ordering_number)
) pairs WHERE line < line_before
"""
_PLACES = """
SELECT m.id AS job, q.position AS question, r.position AS reply FROM mine m
JOIN chat_message q ON q.job_id = m.id AND q.role = 'user'
JOIN chat_message r ON r.job_id = m.id AND r.role = 'assistant'
WHERE r.position <> q.position + 1 OR r.conversation_id <> q.conversation_id
"""
_ACCEPTED = """
SELECT m.id AS job, q.position AS position FROM mine m
JOIN chat_message q ON q.job_id = m.id AND q.role = 'user'
"""


def check(facts: Facts, journal: Journal) -> Iterator[Violation]:
    """Look for turns that overtook others."""
    yield from each(
        "I3", "a job of a lane has ended before the one before it", facts.rows(_ANSWERED)
    )
    yield from each("I3", "a reply does not stand behind its question", facts.rows(_PLACES))
    positions = {str(row["job"]): row["position"] for row in facts.rows(_ACCEPTED)}
    for person in journal.people:
        for conversation, turns in person.conversations.items():
            found = [positions[job] for job in turns if job in positions]
            if found != sorted(found):
                ids = {"conversation": conversation, "positions": str(found)}
                yield Violation(
                    "I3", "messages stand in another order than they were accepted", ids
                )
