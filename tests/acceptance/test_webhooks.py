"""Webhooks, delivered by real workers to a real server: signed, retried, replayed, stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest
from openai import OpenAI
from standardwebhooks.webhooks import Webhook

from tests.acceptance.client import Client
from tests.acceptance.receiver import Receiver, webhook_receiver
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack, until
from tests.services import on_each_database

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow, pytest.mark.needs("redis")]

ENDPOINTS = "/api/v1/webhooks/endpoints/"
DELIVERIES = "/api/v1/webhooks/deliveries/"
HOME = {"WEBHOOK_ALLOW_HTTP": "true", "WEBHOOK_ALLOW_PRIVATE": "true"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("home")
    with running_stack(home, {**services, **HOME}, only=(*PLAIN_TURN, "mail")) as stack:
        yield stack


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def endpoint(person: Client, receiver: Receiver) -> Iterator[Any]:
    """An endpoint that wants to hear of the turns' ends."""
    events = ["job.completed", "job.failed", "job.cancelled"]
    body = {"url": receiver.url, "events": events, "kinds": ["chat.turn"]}
    made = person.post(ENDPOINTS, body)
    yield made
    person.request("DELETE", f"{ENDPOINTS}{made['id']}/")


def delivery_of(person: Client, endpoint: Any, state: str) -> Any:
    """Wait until the endpoint's newest delivery is in a state; return it."""
    path = f"{DELIVERIES}?endpoint={endpoint['id']}&limit=1"
    until(lambda: [row["state"] for row in person.get(path)["data"]] == [state], seconds=60)
    return person.get(path)["data"][0]


@on_each_database
def test_a_turns_end_is_told_and_both_libraries_know_by_whom(
    person: Client, endpoint: Any, receiver: Receiver
) -> None:
    job = person.wait(person.turn("Who pays?")["id"])

    delivery = delivery_of(person, endpoint, "delivered")
    [sent] = receiver.received
    event = Webhook(endpoint["secret"]).verify(sent.body, sent.headers)
    OpenAI(api_key="none", webhook_secret=endpoint["secret"]).webhooks.verify_signature(
        sent.body, sent.headers
    )
    assert (event["type"], event["data"]["id"]) == ("job.completed", job["id"])
    assert event["id"] == sent.headers["webhook-id"] == delivery["event_id"]
    assert [row["status"] for row in delivery["attempts"]] == [200]


def test_a_refusal_is_tried_again_and_the_log_shows_it(
    person: Client, endpoint: Any, receiver: Receiver
) -> None:
    receiver.answers = [500]

    person.wait(person.turn("Who pays?")["id"])

    delivery = delivery_of(person, endpoint, "delivered")
    assert [row["status"] for row in delivery["attempts"]] == [500, 200]
    assert len(set(receiver.ids())) == 1
    assert receiver.received[0].body == receiver.received[1].body


def test_a_worker_killed_before_it_hears_the_answer_sends_it_again(
    stack: Stack, person: Client, endpoint: Any, receiver: Receiver
) -> None:
    receiver.may_answer.clear()
    person.wait(person.turn("Who pays?")["id"])
    until(lambda: len(receiver.received) == 1, seconds=30)

    stack.kill("mail")
    receiver.may_answer.set()
    stack.start("mail")

    delivery_of(person, endpoint, "delivered")
    assert len(receiver.received) == 2
    assert len(set(receiver.ids())) == 1


def test_gone_stops_it_and_a_start_and_a_replay_send_it_after_all(
    person: Client, endpoint: Any, receiver: Receiver
) -> None:
    receiver.answers = [410]
    place = f"{ENDPOINTS}{endpoint['id']}/"
    job = person.wait(person.turn("Who pays?")["id"])
    failed = delivery_of(person, endpoint, "failed")
    assert person.get(place)["disabled_reason"] == "It answered 410 Gone."
    person.wait(person.turn("And who else?")["id"])

    person.request("PATCH", place, json={"enabled": True})
    person.post(f"{DELIVERIES}{failed['id']}/replay/", {})

    again = delivery_of(person, endpoint, "delivered")
    assert (again["id"], again["event_id"]) == (failed["id"], failed["event_id"])
    assert [json.loads(one.body)["data"]["id"] for one in receiver.received] == [job["id"]] * 2


def test_a_rotated_secret_signs_beside_the_new_one(
    person: Client, endpoint: Any, receiver: Receiver
) -> None:
    rotated = person.post(f"{ENDPOINTS}{endpoint['id']}/rotate/", {})
    person.post(f"{ENDPOINTS}{endpoint['id']}/ping/", {})

    delivery_of(person, endpoint, "delivered")
    [sent] = receiver.received
    assert rotated["secret"] != endpoint["secret"]
    for secret in (endpoint["secret"], rotated["secret"]):
        assert Webhook(secret).verify(sent.body, sent.headers)["type"] == "endpoint.ping"


def test_no_private_address_is_ever_spoken_to(
    tmp_path_factory: pytest.TempPathFactory, services: dict[str, str], receiver: Receiver
) -> None:
    """Given a name that leads to this machine, nothing arrives, and the log says why."""
    home = tmp_path_factory.mktemp("strict")
    environment = {"REDIS_URL": services["REDIS_URL"], "WEBHOOK_ALLOW_HTTP": "true"}
    with running_stack(home, environment, only=(*PLAIN_TURN, "mail")) as stack:
        person = stack.client("bob@example.com")
        person.sign_up()
        # As one number: to whoever looks at the text it is a name like any other.
        url = receiver.url.replace("127.0.0.1", str(int(IPv4Address("127.0.0.1"))))
        endpoint = person.post(ENDPOINTS, {"url": url, "events": ["job.completed"]})
        person.post(f"{ENDPOINTS}{endpoint['id']}/ping/", {})

        failed = delivery_of(person, endpoint, "failed")

    assert [row["error_code"] for row in failed["attempts"]] == ["forbidden_address"]
    assert receiver.received == []
