"""I2: no effect twice, and none half."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.chaos.checks.violation import Violation, each
from tests.acceptance.chaos.facts import Facts
from tests.acceptance.chaos.journal import Journal

_RULES = {
    "a step was completed twice": """
        SELECT e.job_id AS job, m.kind, e.step, count(*) AS times,
            string_agg(e.attempt::text, ',' ORDER BY e.id) AS attempts
        FROM mine m JOIN jobs_jobevent e ON e.job_id = m.id
        WHERE e.type = 'step.completed' GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    "a job ended more often than it was run": """
        SELECT e.job_id AS job, m.kind, m.epoch, string_agg(e.type, ',' ORDER BY e.id) AS events
        FROM mine m JOIN jobs_jobevent e ON e.job_id = m.id
        WHERE e.type IN ('job.completed', 'job.failed', 'job.cancelled', 'job.incomplete')
        GROUP BY 1, 2, 3 HAVING count(*) > m.epoch""",
    "a step is completed and its log does not say so": """
        SELECT m.id AS job, m.kind, s.name AS step
        FROM mine m JOIN jobs_jobstep s ON s.job_id = m.id
        WHERE s.state = 'completed' AND NOT EXISTS (SELECT 1 FROM jobs_jobevent e
            WHERE e.job_id = m.id AND e.type = 'step.completed' AND e.step = s.name)""",
    "a step's completion is logged and the step is not completed": """
        SELECT m.id AS job, m.kind, s.name AS step, s.state AS step_state
        FROM mine m JOIN jobs_jobstep s ON s.job_id = m.id
        WHERE s.state <> 'completed' AND EXISTS (SELECT 1 FROM jobs_jobevent e
            WHERE e.job_id = m.id AND e.type = 'step.completed' AND e.step = s.name)""",
    "a turn has not the replies that it should have": """
        SELECT m.id AS job, m.state, count(g.id) AS replies FROM mine m
        LEFT JOIN chat_message g ON g.job_id = m.id AND g.role = 'assistant'
        WHERE m.kind = 'chat.turn' GROUP BY 1, 2
        HAVING count(g.id) <> CASE WHEN m.state = 'completed' THEN 1 ELSE 0 END""",
    "a turn has ordered more than one report": """
        SELECT parent_id AS job, count(*) AS reports FROM mine
        WHERE kind = 'reports.report' AND parent_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1""",
    "a report has not the files that it should have": """
        SELECT m.id AS job, m.state, count(a.id) AS files FROM mine m
        JOIN jobs_jobstep s ON s.job_id = m.id AND s.name = 'reports.render'
        LEFT JOIN jobs_artifact a ON a.job_id = m.id
        WHERE m.kind = 'reports.report' GROUP BY 1, 2, s.state
        HAVING count(a.id) <> CASE WHEN s.state = 'completed' THEN 2 ELSE 0 END""",
    "a document is ready and not whole": """
        SELECT d.id AS document, m.id AS job, count(c.id) AS passages, m.output AS output
        FROM mine m JOIN knowledge_document d ON d.job_id = m.id
        LEFT JOIN knowledge_chunk c ON c.document_id = d.id AND c.vector IS NOT NULL
        WHERE m.state = 'completed' GROUP BY 1, 2, 4
        HAVING count(c.id) <> (m.output->>'passages')::int OR count(c.id) = 0""",
}
_ATTEMPTS = """
SELECT m.id AS job, s.attempt AS attempts FROM mine m
JOIN jobs_jobstep s ON s.job_id = m.id AND s.name = 'chat.generate'
"""
_DOUBLES = (
    "SELECT owner_email, kind, count(*) AS jobs FROM mine WHERE parent_id IS NULL GROUP BY 1, 2"
)


def check(facts: Facts, journal: Journal) -> Iterator[Violation]:
    """Look for effects that were recorded twice or in part."""
    for what, query in _RULES.items():
        yield from each("I2", what, facts.rows(query))
    generations = facts.world.sandbox.stats()["jobs"]
    paid = [
        {**row, "generations": generations.get(str(row["job"]), 0)} for row in facts.rows(_ATTEMPTS)
    ]
    often = [row for row in paid if row["generations"] > row["attempts"]]
    yield from each("I2", "a turn was generated more often than it was attempted", often)
    if facts.world.has_idempotency:
        yield from each(
            "I2", "a request that was sent again made a second job", _twice(facts, journal)
        )


def _twice(facts: Facts, journal: Journal) -> Iterator[dict[str, object]]:
    """More jobs than requests, of which each may have been sent any number of times."""
    asked = {
        (person.email, kind): count
        for person in journal.people
        for kind, count in person.keys.items()
    }
    for row in facts.rows(_DOUBLES):
        wanted = asked.get((row["owner_email"], row["kind"]))
        if wanted is not None and row["jobs"] > wanted:
            yield {**row, "requests": wanted}
