"""A worker that dies in mid-stream: its answer is taken up again, whole, and paid for once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.long, pytest.mark.needs("redis")]

TOPIC = "What do you know about leases and their owners?"
REPLY = (
    "This is the sandbox model; it quotes and does not think. It found nothing in the knowledge "
    "base about \u201cWhat do you know about leases and their owners\u201d."
)
# A roadmap is long enough to outlive a worker, and its text is known by asking again.
LONG = "Write a roadmap for leases."


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, empty_redis: str, protocol: str
) -> Iterator[Stack]:
    environment = {
        "REDIS_URL": empty_redis,
        "SANDBOX_PROTOCOL": protocol,
        "PROGRESS_SECONDS": "0.2",
        "REPORT_TRIGGERS": "no such phrase",
    }
    with running_stack(tmp_path_factory.mktemp("home"), environment, only=PLAIN_TURN) as stack:
        yield stack


def _progress(person: Client, job_id: str) -> Any:
    steps = person.get(f"/api/v1/jobs/{job_id}/")["steps"]
    return next(step["progress"] for step in steps if step["name"] == "chat.generate")


def _killed_in_mid_stream(stack: Stack, person: Client, message: str, tokens: int) -> Any:
    """Kill the worker once so many tokens are noted, start another, and wait for the end."""
    job_id = person.turn(message)["id"]
    until(lambda: _progress(person, job_id).get("output_tokens", 0) >= tokens, seconds=60)
    stack.kill("llm")
    stack.start("llm")
    return person.wait(job_id, seconds=90)


def _text(person: Client, job: Any) -> str:
    messages = person.get(f"/api/v1/conversations/{job['result']['conversation_id']}/messages/")
    replies = [row["content"] for row in messages["data"] if row["role"] == "assistant"]
    assert len(replies) == 1
    return str(replies[0])


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        # Killed before anything of the text is noted, and after.
        (f"{TOPIC} [[sandbox delta=0.3]]", 1),
        (f"{LONG} [[sandbox delta=0.05]]", 200),
    ],
)
def test_the_reply_of_a_killed_worker_is_whole(
    stack: Stack, person: Client, protocol: str, message: str, tokens: int
) -> None:
    job = _killed_in_mid_stream(stack, person, message, tokens)

    assert job["state"] == "completed"
    if message.startswith(LONG):
        again = person.wait(person.turn(f"{LONG} [[sandbox delta=0]]")["id"])
        assert _text(person, job) == _text(person, again)
    else:
        assert _text(person, job) == REPLY
    stats = stack.sandbox.stats()
    expected = {"responses": 1, "chat_completions": 2}
    assert stats["jobs"][job["id"]] == expected[protocol]
    if protocol == "responses":
        assert stats["resumed"] >= 1
