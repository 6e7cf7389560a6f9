"""Endpoints and their log, over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.idempotency.models import KeptAnswer
from pipelines.jobs.services import job_cancel
from pipelines.webhooks.models import Delivery, Endpoint
from pipelines.webhooks.sending import attempt_answered
from pipelines.webhooks.services import endpoint_create, endpoint_gone, endpoint_ping
from tests.unit.api.conftest import Rows

ENDPOINTS = "/api/v1/webhooks/endpoints/"
DELIVERIES = "/api/v1/webhooks/deliveries/"
URL = "https://hooks.example.com/turnpike"
BODY = {"url": URL, "events": ["job.failed", "job.completed"], "kinds": ["chat.turn"]}


@pytest.fixture
def there(user: User) -> Endpoint:
    return endpoint_create(owner=user, url=URL, events=["job.completed"])


@pytest.fixture
def delivery(there: Endpoint) -> Delivery:
    return endpoint_ping(endpoint=there)


def test_the_secret_is_shown_once(client: APIClient) -> None:
    made = client.post(ENDPOINTS, BODY, format="json")

    assert made.status_code == 201
    body = made.json()
    assert body.pop("secret") == Endpoint.objects.get().secret
    assert body == {
        "id": str(Endpoint.objects.get().pk),
        "url": URL,
        "description": "",
        "events": ["job.completed", "job.failed"],
        "kinds": ["chat.turn"],
        "created_at": body["created_at"],
        "disabled_at": None,
        "disabled_reason": "",
    }
    assert client.get(ENDPOINTS).json()["data"] == [body]
    assert client.get(f"{ENDPOINTS}{body['id']}/").json() == body


@pytest.mark.parametrize("path", ["", "{id}/rotate/"])
def test_a_secret_is_not_kept_with_the_answer_that_showed_it(
    client: APIClient, there: Endpoint, path: str
) -> None:
    to, headers = ENDPOINTS + path.format(id=there.pk), {"Idempotency-Key": "once"}

    first = client.post(to, BODY, format="json", headers=headers)
    again = client.post(to, BODY, format="json", headers=headers)

    assert first.json()["secret"].startswith("whsec_")
    assert again.json() == {**first.json(), "secret": None}
    assert first.json()["secret"] not in str(vars(KeptAnswer.objects.get()))


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"url": "http://example.com/"}, "url", "invalid_scheme"),
        ({"url": "https://10.0.0.1/"}, "url", "forbidden_address"),
        ({"url": 1}, "url", "invalid"),
        ({"events": []}, "events", "empty"),
        ({"events": ["job.begun"]}, "events.0", "invalid_choice"),
        ({"events": ["endpoint.ping"]}, "events.0", "invalid_choice"),
        ({"kinds": ["chat.nothing"]}, "kinds", "unknown_kind"),
        ({"description": "x" * 256}, "description", "max_length"),
    ],
)
def test_what_is_no_endpoint_is_refused(
    client: APIClient,
    there: Endpoint,
    rows: Rows,
    change: dict[str, object],
    field: str,
    code: str,
) -> None:
    before = rows()
    for refused in (
        client.post(ENDPOINTS, {**BODY, **change}, format="json"),
        client.patch(f"{ENDPOINTS}{there.pk}/", change, format="json"),
    ):
        assert refused.status_code == 422
        [error] = refused.json()["errors"]
        assert (error["field"], error["code"]) == (field, code)
    assert rows() == before
    assert Endpoint.objects.get().events == ["job.completed"]


def test_it_is_stopped_and_started(client: APIClient, there: Endpoint) -> None:
    place = f"{ENDPOINTS}{there.pk}/"

    stopped = client.patch(place, {"enabled": False}, format="json").json()
    started = client.patch(place, {"enabled": True}, format="json").json()

    assert (stopped["disabled_at"] is None, stopped["disabled_reason"]) == (False, "by its owner")
    assert (started["disabled_at"], started["disabled_reason"]) == (None, "")


def test_it_goes_with_its_log(client: APIClient, there: Endpoint, delivery: Delivery) -> None:
    assert client.delete(f"{ENDPOINTS}{there.pk}/").status_code == 204
    assert client.get(f"{DELIVERIES}{delivery.pk}/").status_code == 404
    assert client.get(f"/api/v1/jobs/{delivery.job_id}/").json()["state"] == "cancelled"


def test_a_trial_is_one_delivery(client: APIClient, there: Endpoint) -> None:
    made = client.post(f"{ENDPOINTS}{there.pk}/ping/")
    assert made.status_code == 201
    assert (made.json()["type"], made.json()["state"]) == ("endpoint.ping", "pending")

    endpoint_gone(endpoint=there)
    refused = client.post(f"{ENDPOINTS}{there.pk}/ping/")
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")


def test_the_log_shows_each_attempt(client: APIClient, delivery: Delivery) -> None:
    attempt_answered(
        delivery=delivery, began=delivery.created_at, seconds=0.5, status=500, answer="<b>no</b>"
    )

    shown = client.get(f"{DELIVERIES}{delivery.pk}/").json()

    stamp = delivery.created_at.isoformat().replace("+00:00", "Z")
    assert shown == {
        "id": str(delivery.pk),
        "event_id": f"evt_{delivery.pk.hex}",
        "endpoint_id": str(delivery.endpoint_id),
        "job_id": str(delivery.job_id),
        "type": "endpoint.ping",
        "state": "pending",
        "body": delivery.body,
        "created_at": stamp,
        "delivered_at": None,
        "attempts": [
            {
                "created_at": stamp,
                "seconds": 0.5,
                "status": 500,
                "answer": "<b>no</b>",
                "error_code": "",
                "error_detail": "",
            }
        ],
    }


def test_the_log_is_filtered(client: APIClient, user: User, delivery: Delivery) -> None:
    other = endpoint_ping(endpoint=endpoint_create(owner=user, url=URL, events=["job.failed"]))
    assert other.job is not None
    job_cancel(job_id=other.job.pk)

    def found(query: str) -> list[str]:
        return [row["id"] for row in client.get(f"{DELIVERIES}?{query}").json()["data"]]

    assert found("") == [str(other.pk), str(delivery.pk)]
    assert found("state=failed") == [str(other.pk)]
    assert found(f"endpoint={delivery.endpoint_id}") == [str(delivery.pk)]
    assert found("type=job.completed") == []
    assert client.get(f"{DELIVERIES}?state=lost").status_code == 422


def test_it_is_sent_again(client: APIClient, delivery: Delivery) -> None:
    place = f"{DELIVERIES}{delivery.pk}/replay/"
    refused = client.post(place)
    assert (refused.status_code, refused.json()["code"]) == (409, "under_way")
    assert delivery.job is not None
    job_cancel(job_id=delivery.job.pk)

    again = client.post(place)

    assert again.status_code == 201
    assert (again.json()["state"], again.json()["event_id"]) == ("pending", delivery.event_id)
    assert again.json()["job_id"] != str(delivery.job_id)


@pytest.mark.parametrize(
    "ask",
    [
        lambda to, one: to.get(f"{ENDPOINTS}{one.endpoint_id}/"),
        lambda to, one: to.patch(f"{ENDPOINTS}{one.endpoint_id}/", {}, format="json"),
        lambda to, one: to.delete(f"{ENDPOINTS}{one.endpoint_id}/"),
        lambda to, one: to.post(f"{ENDPOINTS}{one.endpoint_id}/rotate/"),
        lambda to, one: to.post(f"{ENDPOINTS}{one.endpoint_id}/ping/"),
        lambda to, one: to.get(f"{DELIVERIES}{one.pk}/"),
        lambda to, one: to.post(f"{DELIVERIES}{one.pk}/replay/"),
    ],
)
def test_anothers_is_as_one_that_does_not_exist(
    stranger: APIClient, delivery: Delivery, ask: Callable[..., object]
) -> None:
    nothing = Delivery(endpoint_id=Delivery().pk)
    anothers, unknown = ask(stranger, delivery), ask(stranger, nothing)
    assert anothers.status_code == unknown.status_code == 404  # type: ignore[attr-defined]
    assert anothers.json() == unknown.json()  # type: ignore[attr-defined]
    assert stranger.get(DELIVERIES).json()["data"] == []
    assert stranger.get(ENDPOINTS).json()["data"] == []
