"""Responses under /v1: each accepted one is there, and what its program read is what is kept."""

from __future__ import annotations

from collections.abc import Iterator

from tests.acceptance.chaos.checks.violation import Violation, each
from tests.acceptance.chaos.facts import Facts
from tests.acceptance.chaos.journal import Journal

_RESPONSES = """
SELECT 'resp_' || replace(r.id::text, '-', '') AS response, r.reply, m.id AS job, m.state
FROM mine m JOIN responses_response r ON r.job_id = m.id
"""


def check(facts: Facts, journal: Journal) -> Iterator[Violation]:
    """Compare what was accepted, cancelled and read with what is kept."""
    rows = {str(row["response"]): row for row in facts.rows(_RESPONSES)}
    bare = [row for row in rows.values() if (row["state"] == "completed") != bool(row["reply"])]
    yield from each("I2", "a response is answered, and not whole", bare)
    for person in journal.people:
        missing = [{"response": one} for one in person.responses if one not in rows]
        yield from each("I1", "an accepted response is not in the database", missing)
        withdrawn = [rows[one] for one in person.withdrawn if one in rows]
        revived = [row for row in withdrawn if row["state"] != "cancelled"]
        yield from each("I1", "a cancelled response did not stay cancelled", revived)
        for one, told in person.told.items():
            ids = {"response": one, "cuts": str(told.cuts), "place": str(told.place)}
            if told.is_out_of_order:
                yield Violation("stream", "an event came twice, or after a later one", ids)
            kept = rows[one]["reply"] if one in rows else ""
            if told.end == "response.completed" and told.text != kept:
                ids |= {"told": told.text[-60:], "kept": kept[-60:]}
                yield Violation("stream", "what a program read is not the reply", ids)
