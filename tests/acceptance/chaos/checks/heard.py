"""Streams: the deltas that a client was sent, over all its lines, are the reply that is kept."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.chaos.checks.violation import Violation
from tests.acceptance.chaos.facts import Facts
from tests.acceptance.chaos.journal import Journal

_REPLIES = """
SELECT m.id AS job, r.content AS text FROM mine m
JOIN chat_message r ON r.job_id = m.id AND r.role = 'assistant'
"""


def check(facts: Facts, journal: Journal) -> Iterator[Violation]:
    """Compare what was heard of completed turns with what is kept of them."""
    replies = {str(row["job"]): row["text"] for row in facts.rows(_REPLIES)}
    for person in journal.people:
        for job, heard in person.heard.items():
            ids = {"job": job, "cuts": str(heard.cuts), "place": str(heard.place)}
            if heard.is_out_of_order:
                yield Violation("stream", "an event came twice, or after a later one", ids)
            if heard.end == "job.completed" and job in replies and heard.text != replies[job]:
                ids |= {"heard": heard.text[-60:], "kept": replies[job][-60:]}
                yield Violation("stream", "what a client read is not the reply", ids)
