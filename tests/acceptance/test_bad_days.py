"""What goes wrong for a person or an operator: each a clear error, with nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import ROOT, Stack, running_stack, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow, pytest.mark.needs("redis")]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    limits = {"MESSAGE_MAX_CHARACTERS": "1000", "UPLOAD_MAX_BYTES": "1000"}
    with running_stack(tmp_path_factory.mktemp("home"), {**services, **limits}) as stack:
        yield stack


def _rows(stack: Stack) -> dict[str, int]:
    """Count what there is, behind the front door's back."""
    code = (
        "import json; from pipelines.jobs.models import Job; from pipelines.chat.models import *; "
        "from pipelines.knowledge.models import *; "
        "print(json.dumps({m.__name__: m.objects.count() "
        "for m in (Job, Conversation, Message, Document)}))"
    )
    rows: dict[str, int] = json.loads(stack.manage("shell", "--no-imports", "-c", code))
    return rows


TURNS = [
    ({"message": ""}, 422, "empty"),
    ({"message": " \n"}, 422, "empty"),
    ({"message": "x" * 1001}, 413, "too_large"),
    ({"message": "a\0b"}, 422, "nul_byte"),
    ({"message": "x", "conversation_id": "01a1fbbf-8128-7f06-9957-d0340012fd21"}, 404, "not_found"),
    ({}, 422, "invalid_input"),
]


def test_a_turn_that_cannot_be_accepted_leaves_nothing(stack: Stack, person: Client) -> None:
    before = _rows(stack)

    answers = [person.request("POST", "/api/v1/turns/", json=body) for body, _, _ in TURNS]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [row[1:] for row in TURNS]
    assert {a.headers["Content-Type"] for a in answers} == {"application/problem+json"}
    assert _rows(stack) == before


def test_bytes_that_are_no_utf8_are_refused(stack: Stack, person: Client) -> None:
    before = _rows(stack)

    answer = person.request(
        "POST",
        "/api/v1/turns/",
        content=b'{"message": "caf\xe9"}',
        headers={"Content-Type": "application/json"},
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "not_utf8")
    assert _rows(stack) == before


UPLOADS = [
    ("a.md", b"", "empty_document"),
    ("a.md", b"x" * 1001, "too_large"),
    ("a.txt", b"caf\xe9", "not_utf8"),
    ("a.txt", b"x\0y", "unsupported_type"),
    ("a.pdf", b"%PDF-1.7", "unsupported_type"),
]


def test_an_upload_that_cannot_be_read_leaves_nothing(stack: Stack, person: Client) -> None:
    made = person.post("/api/v1/knowledge/collections/", {"name": "Refused"})
    before = _rows(stack)

    codes = []
    for name, content, _ in UPLOADS:
        answer = person.request(
            "POST",
            "/api/v1/knowledge/documents/",
            data={"collection": made["id"]},
            files={"file": (name, content)},
        )
        assert 400 <= answer.status_code < 500
        codes.append(answer.json()["code"])

    assert codes == [code for _, _, code in UPLOADS]
    assert _rows(stack) == before


def test_a_refused_key_ends_the_job_with_a_sentence_to_act_on(person: Client) -> None:
    job = person.wait(person.turn("hello [[sandbox error=401]]")["id"])

    assert (job["state"], job["error"]["code"]) == ("failed", "provider_refused")
    assert "API key" in job["error"]["detail"]
    states = {step["name"]: (step["state"], step["attempt"]) for step in job["steps"]}
    assert states == {"chat.generate": ("failed", 1), "chat.finish": ("cancelled", 0)}


def test_a_provider_in_trouble_is_tried_again(person: Client) -> None:
    job = person.wait(person.turn("hello [[sandbox error=503 times=2]]")["id"])

    assert job["state"] == "completed"
    assert {step["name"]: step["attempt"] for step in job["steps"]}["chat.generate"] == 3


def test_a_pause_that_the_provider_asks_for_is_kept_and_explained(person: Client) -> None:
    accepted = person.turn("hello [[sandbox error=429 retry_after=3 times=1]]")

    def reason() -> str:
        seen = person.get(f"/api/v1/jobs/{accepted['id']}/")
        return str((seen["queue"] or {}).get("reason", ""))

    until(lambda: reason().startswith("rate_limited until "))
    job = person.wait(accepted["id"])
    assert job["state"] == "completed"


def test_turns_of_a_conversation_are_answered_in_their_order(person: Client) -> None:
    first = person.turn("turn 0 [[sandbox latency=1]]")
    jobs = [first["id"]] + [
        person.turn(f"turn {n}", conversation_id=first["conversation_id"])["id"]
        for n in range(1, 8)
    ]

    ended = [person.wait(job_id) for job_id in jobs]

    assert [job["state"] for job in ended] == ["completed"] * 8
    finished = [job["finished_at"] for job in ended]
    assert finished == sorted(finished)
    messages = person.get(f"/api/v1/conversations/{first['conversation_id']}/messages/")["data"]
    assert [row["role"] for row in messages] == ["user", "assistant"] * 8


def test_anothers_job_looks_like_one_that_does_not_exist(stack: Stack, person: Client) -> None:
    eve = stack.client("eve@example.com")
    eve.sign_up()
    hers = eve.turn("mine")["id"]

    answers = [
        person.request("GET", f"/api/v1/jobs/{job_id}/")
        for job_id in (hers, "01a1fbbf-8128-7f06-9957-d0340012fd21")
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()


def _doctor(stack: Stack) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def _ready(stack: Stack) -> dict[str, Any]:
    answer = httpx.get(f"{stack.url}/readyz", timeout=10)
    return {row["name"]: row["ok"] for row in answer.json()["checks"]} | {"": answer.status_code}


def test_a_queue_that_nobody_serves_is_named(stack: Stack, person: Client) -> None:
    assert _doctor(stack)[0] == 0
    stack.kill("llm")
    until(lambda: _ready(stack)[""] == 503, seconds=30)

    ready = _ready(stack)
    status, printed = _doctor(stack)
    accepted = person.turn("is anybody there?")
    waiting = person.get(f"/api/v1/jobs/{accepted['id']}/")

    assert [name for name, ok in ready.items() if ok is False] == ["queue:llm"]
    assert status == 1
    assert "FAIL queue:llm  No worker serves 'llm'" in printed
    assert waiting["queue"]["reason"] == "no worker serves the queue 'llm'"
    stack.start("llm")
    assert person.wait(accepted["id"], seconds=60)["state"] == "completed"
