"""I5: one logical e-mail is sent once, or is uncertain."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.chaos.checks.violation import Violation, each
from tests.acceptance.chaos.facts import Facts
from tests.acceptance.chaos.journal import Journal
from workers.engines.mailer.message import key

_EMAILS = """
SELECT e.id AS email, e.message_id, e.state, m.id AS job, m.state AS job_state
FROM mine m JOIN mail_email e ON e.job_id = m.id
"""
# How many acceptances each state of an e-mail allows.
_ALLOWED = {
    "queued": {0},
    "sending": {0, 1},
    "sent": {1},
    "uncertain": {0, 1},
    "failed": {0},
}
_ENDED = {"completed": {"sent"}, "failed": {"failed", "uncertain", "sent"}}


def check(facts: Facts, journal: Journal) -> Iterator[Violation]:
    """Compare the rows with what the provider accepted."""
    accepted = facts.world.office.accepted
    rows = [{**row, "accepted": accepted[key(row["message_id"])]} for row in facts.rows(_EMAILS)]
    twice = [row for row in rows if row["accepted"] > 1]
    yield from each("I5", "an e-mail was accepted by the provider more than once", twice)
    wrong = [
        row for row in rows if row not in twice and row["accepted"] not in _ALLOWED[row["state"]]
    ]
    yield from each("I5", "an e-mail's state is not what became of it", wrong)
    ended = [row for row in rows if row["state"] not in _ENDED.get(row["job_state"], set(_ALLOWED))]
    yield from each("I5", "an e-mail's state does not fit its job's", ended)
