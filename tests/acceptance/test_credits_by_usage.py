"""A price by the tokens, on real processes: what was used is charged, also of a turn cut short."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack, until
from tests.acceptance.test_credits import ledger, person_with

pytestmark = [pytest.mark.timeout(300), pytest.mark.long, pytest.mark.needs("redis")]

# Credits for a thousand tokens: each one read costs 3 and each one written 7.
READ, WRITTEN = 3, 7
BEGIN = 10_000_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    prices = {
        "CREDITS_MODE": "usage",
        "CREDITS_FOR": "everyone",
        "CREDITS_GRANT": "0",
        "CREDITS_PER_1K_INPUT_TOKENS": str(1000 * READ),
        "CREDITS_PER_1K_OUTPUT_TOKENS": str(1000 * WRITTEN),
    }
    home = tmp_path_factory.mktemp("home")
    with running_stack(home, {**services, **prices}, only=PLAIN_TURN) as stack:
        yield stack


def _written(client: Client, job_id: str) -> int:
    [step] = client.get(f"/api/v1/jobs/{job_id}/")["steps"][:1]
    return int(step["progress"].get("output_tokens", 0))


def test_a_turn_costs_the_tokens_that_its_reply_names(stack: Stack) -> None:
    client = person_with(stack, BEGIN)
    most = client.get("/api/v1/credits/")["reserved_per_turn"]

    job = client.wait(client.turn("What is a turnpike?")["id"])

    assert job["state"] == "completed", job
    messages = client.get(f"/api/v1/conversations/{job['result']['conversation_id']}/messages/")
    reply = messages["data"][1]
    cost = READ * reply["input_tokens"] + WRITTEN * reply["output_tokens"]
    assert 0 < cost < most
    assert ledger(client) == (
        (BEGIN - cost, 0),
        [("grant", BEGIN), ("reserve", -most), ("release", most), ("settle", -cost)],
    )
    assert stack.manage("credits", "check") == "The ledger balances.\n"


def test_a_turn_cancelled_in_mid_stream_costs_the_tokens_until_then(stack: Stack) -> None:
    client = person_with(stack, BEGIN)
    most = client.get("/api/v1/credits/")["reserved_per_turn"]
    accepted = client.turn("Tell me a long story. [[sandbox delta=0.3]]")
    until(lambda: _written(client, accepted["id"]) > 1, seconds=60)
    assert client.get("/api/v1/credits/")["held"] == most

    cancelled = client.request("POST", f"/api/v1/jobs/{accepted['id']}/cancel/").json()

    assert cancelled["state"] == "cancelled", cancelled
    used = cancelled["steps"][0]["progress"]
    cost = READ * used["input_tokens"] + WRITTEN * used["output_tokens"]
    assert 0 < cost < most
    assert ledger(client) == (
        (BEGIN - cost, 0),
        [("grant", BEGIN), ("reserve", -most), ("release", most), ("settle", -cost)],
    )
    assert stack.manage("credits", "check") == "The ledger balances.\n"


def test_a_balance_below_the_most_that_a_turn_can_cost_is_not_enough(stack: Stack) -> None:
    most = person_with(stack, 1).get("/api/v1/credits/")["reserved_per_turn"]
    client = person_with(stack, most - 1)

    refused = client.request("POST", "/api/v1/turns/", json={"message": "Hello."})

    assert refused.status_code == 402
    assert refused.json()["detail"] == f"This takes {most} credits, and {most - 1} can be spent."
    assert client.get("/api/v1/jobs/?kind=chat.turn")["data"] == []
