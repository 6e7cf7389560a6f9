"""I1 and I2 by the API alone: a person sees the own jobs ended, and their files whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from tests.acceptance.chaos.checks.violation import Violation
from tests.acceptance.chaos.journal import Person
from tests.acceptance.chaos.people import Caller
from tests.acceptance.client import FINAL

SAMPLE = 10


def check(person: Person, caller: Caller) -> Iterator[Violation]:
    """Read the newest jobs of each kind, and fetch every file that they name."""
    for kind in sorted(set(person.accepted.values())):
        jobs = [job for job, one in person.accepted.items() if one == kind][-SAMPLE:]
        for job in jobs:
            answer = caller.ask("GET", f"/api/v1/jobs/{job}/")
            state = answer.json().get("state") if answer is not None else None
            if answer is None or state not in FINAL:
                ids = {"job": job, "kind": kind, "answer": answer.text if answer else "none"}
                yield Violation("I1", "a job cannot be read, or has not ended, by the API", ids)
                continue
            for file in answer.json()["artifacts"]:
                yield from _check_file(job, file, caller)


def _check_file(job: str, file: dict[str, Any], caller: Caller) -> Iterator[Violation]:
    answer = caller.ask("GET", file["url"])
    content = answer.content if answer is not None else b""
    if hashlib.sha256(content).hexdigest() != file["sha256"]:
        ids = {"job": job, "file": file["name"], "size": str(len(content))}
        yield Violation("I2", "a file is not what its job says", ids)
