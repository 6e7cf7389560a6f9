"""I6 and I7: what was deleted is not found, and what is another's looks as if it were not there."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

from tests.acceptance.chaos.checks.violation import Violation, each
from tests.acceptance.chaos.facts import Facts
from tests.acceptance.chaos.journal import Journal, Person
from tests.acceptance.chaos.people import Caller
from tests.acceptance.client import FINAL

SEARCHES = 4
SAMPLE = 5
PATIENCE = 60.0
_FOUND = """
SELECT m.id AS job, m.owner_email, extract(epoch FROM m.created_at) AS at,
    p->>'document_id' AS document
FROM mine m CROSS JOIN LATERAL jsonb_array_elements(m.output->'passages') p
WHERE m.kind = 'knowledge.search' AND m.state = 'completed'
"""
_OWNERS = """
SELECT d.id AS document, u.email FROM knowledge_document d
JOIN knowledge_collection c ON c.id = d.collection_id JOIN accounts_user u ON u.id = c.owner_id
"""


def check_found(facts: Facts, journal: Journal) -> Iterator[Violation]:
    """Look at what every search of the run has returned."""
    deleted = {doc: at for person in journal.people for doc, at in person.deleted.items()}
    known = {doc: person.email for person in journal.people for doc in person.documents}
    owners = known | {str(row["document"]): row["email"] for row in facts.rows(_OWNERS)}
    found = facts.rows(_FOUND)
    late = [row for row in found if deleted.get(row["document"], float("inf")) < row["at"]]
    yield from each("I6", "a search returned a document that was deleted before it", late)
    foreign = [
        row for row in found if owners.get(row["document"], "") not in {"", row["owner_email"]}
    ]
    yield from each("I6", "a search returned another's document", foreign)


def check_deleted(person: Person, caller: Caller) -> Iterator[Violation]:
    """Search for what a person has deleted, once more, by the API."""
    for document in list(person.deleted)[-SEARCHES:]:
        word = person.documents[document]
        body = {"query": f"Who wrote {word}?", "limit": 50}
        accepted = caller.create("knowledge.search", "/api/v1/knowledge/search/", json=body)
        if accepted is None:
            continue
        deadline = time.monotonic() + PATIENCE
        job = accepted
        while job["state"] not in FINAL and time.monotonic() < deadline:
            time.sleep(0.2)
            answer = caller.ask("GET", f"/api/v1/jobs/{accepted['id']}/")
            job = answer.json() if answer is not None else job
        passages = (job["result"] or {}).get("passages", [])
        found = [row for row in passages if row["document_id"] == document or word in row["text"]]
        ids = {"document": document, "search": accepted["id"], "state": job["state"]}
        if found or job["state"] != "completed":
            yield Violation("I6", "a deleted document is found, or its search fails", ids)


def check_foreign(person: Person, other: Person, caller: Caller) -> Iterator[Violation]:
    """Ask as one person for what is another's, and for what does not exist."""
    nothing = str(uuid.uuid4())
    paths = {
        "/api/v1/jobs/{}/": list(other.accepted)[-SAMPLE:],
        "/api/v1/conversations/{}/": list(other.conversations)[-SAMPLE:],
        "/api/v1/conversations/{}/messages/": list(other.conversations)[-SAMPLE:],
        "/api/v1/knowledge/documents/{}/": list(other.documents)[-SAMPLE:],
        "/api/v1/jobs/{}/artifacts/report.pdf/": [
            job for job, kind in other.accepted.items() if kind == "reports.report"
        ][-SAMPLE:],
    }
    for path, theirs in paths.items():
        void = caller.ask("GET", path.format(nothing))
        for one in theirs:
            answer = caller.ask("GET", path.format(one))
            if answer is None or void is None:
                continue
            same = answer.text.replace(one, nothing) == void.text
            if answer.status_code != 404 or void.status_code != 404 or not same:
                ids = {"path": path.format(one), "status": str(answer.status_code)}
                yield Violation("I7", "another's id differs from one that does not exist", ids)
