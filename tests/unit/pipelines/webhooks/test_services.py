"""Endpoints: where they may be, their secrets, their end; and sending again."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from pipelines.accounts.models import User
from pipelines.core.errors import Conflict, InvalidInput
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel
from pipelines.webhooks import sending, services
from pipelines.webhooks.addresses import URL_MAX_CHARACTERS
from pipelines.webhooks.models import Delivery, DeliveryState, Endpoint
from tests.factories import UserFactory

URL = "https://hooks.example.com/turnpike"


@pytest.fixture
def owner(db: None) -> User:
    return UserFactory.create()


@pytest.fixture
def there(owner: User) -> Endpoint:
    return services.endpoint_create(owner=owner, url=URL, events=["job.failed", "job.completed"])


def test_an_endpoint_has_a_secret_of_its_own(owner: User, there: Endpoint) -> None:
    other = services.endpoint_create(owner=owner, url=URL, events=["job.failed"])

    assert there.events == ["job.completed", "job.failed"]
    assert there.secret.startswith("whsec_")
    assert len(base64.b64decode(there.secret.removeprefix("whsec_"))) == 32
    assert other.secret != there.secret


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/", "invalid_scheme"),
        ("ftp://example.com/", "invalid_scheme"),
        ("//example.com/", "invalid_scheme"),
        ("https:///path", "invalid_url"),
        ("https://ada:secret@example.com/", "credentials_in_url"),
        ("https://ada@example.com/", "credentials_in_url"),
        ("https://example.com/#there", "invalid_url"),
        ("https://example.com/a b", "invalid_url"),
        ("https://example.com/\r\nX: y", "invalid_url"),
        ("https://exämple.com/", "invalid_url"),
        ("https://example.com:99999/", "invalid_url"),
        ("https://[::1/", "invalid_url"),
        ("https://example.com:25/", "invalid_port"),
        ("https://example.com:1023/", "invalid_port"),
        ("https://localhost/", "forbidden_address"),
        ("https://LOCALHOST./", "forbidden_address"),
        ("https://127.0.0.1/", "forbidden_address"),
        ("https://10.1.2.3/", "forbidden_address"),
        ("https://169.254.169.254/latest/meta-data/", "forbidden_address"),
        ("https://[::1]/", "forbidden_address"),
        ("https://[::ffff:10.0.0.1]/", "forbidden_address"),
        ("https://" + "x" * URL_MAX_CHARACTERS, "url_too_long"),
    ],
)
def test_what_may_be_no_address_is_refused(owner: User, url: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        services.endpoint_create(owner=owner, url=url, events=["job.failed"])

    assert (refusal.value.error_code, refusal.value.field) == (code, "url")
    assert not Endpoint.objects.exists()


def test_the_longest_address_is_one(owner: User) -> None:
    url = "https://example.com/".ljust(URL_MAX_CHARACTERS, "x")
    assert services.endpoint_create(owner=owner, url=url, events=["job.failed"]).url == url


@pytest.mark.parametrize("url", ["http://example.com/", "https://127.0.0.1:8443/"])
def test_settings_allow_what_is_not_public(owner: User, settings: Settings, url: str) -> None:
    settings.WEBHOOK_ALLOW_HTTP = settings.WEBHOOK_ALLOW_PRIVATE = True
    assert services.endpoint_create(owner=owner, url=url, events=["job.failed"]).url == url


def test_an_account_has_so_many_and_no_more(owner: User, settings: Settings) -> None:
    settings.WEBHOOK_ENDPOINTS_MAX = 1
    services.endpoint_create(owner=owner, url=URL, events=["job.failed"])
    with pytest.raises(Conflict) as refusal:
        services.endpoint_create(owner=owner, url=URL, events=["job.failed"])
    assert refusal.value.error_code == "too_many_endpoints"


def test_a_rotated_secret_signs_for_a_while(there: Endpoint, settings: Settings) -> None:
    settings.WEBHOOK_ROTATION_HOURS = 24
    old = there.secret

    services.endpoint_rotate(endpoint=there)

    there.refresh_from_db()
    assert there.secret != old
    assert sending.secrets_of(there) == [there.secret, old]
    there.old_secret_until = timezone.now() - timedelta(seconds=1)
    assert sending.secrets_of(there) == [there.secret]


def test_one_that_is_stopped_and_started_says_why_and_since_when(there: Endpoint) -> None:
    services.endpoint_update(endpoint=there, is_enabled=False)
    stopped = there.disabled_at
    assert (stopped is not None, there.disabled_reason) == (True, "by its owner")

    services.endpoint_update(endpoint=there, is_enabled=False)
    assert there.disabled_at == stopped
    services.endpoint_update(endpoint=there, is_enabled=True)
    assert (there.disabled_at, there.disabled_reason) == (None, "")


def test_changes_are_held_to_the_same_rules(there: Endpoint) -> None:
    changes: list[dict[str, Any]] = [
        {"url": "http://example.com/"},
        {"events": []},
        {"events": ["job.begun"]},
    ]
    for change in changes:
        with pytest.raises(InvalidInput):
            services.endpoint_update(endpoint=there, **change)
    assert services.endpoint_update(endpoint=there, description="Ours").description == "Ours"


def test_a_deletion_takes_the_log_and_cancels_what_is_under_way(there: Endpoint) -> None:
    ping = services.endpoint_ping(endpoint=there)
    assert ping.job is not None

    services.endpoint_delete(endpoint=there)

    assert Job.objects.get(pk=ping.job.pk).state == "cancelled"
    assert not Delivery.objects.exists()


def test_what_was_given_up_is_sent_again_with_its_bytes(there: Endpoint) -> None:
    ping = services.endpoint_ping(endpoint=there)
    assert ping.job is not None
    job_cancel(job_id=ping.job.pk)
    ping.refresh_from_db()
    assert ping.state == DeliveryState.FAILED

    again = services.delivery_replay(delivery=ping)

    assert again.job is not None
    assert (again.job.pk != ping.job.pk, again.job.state) == (True, "queued")
    assert (again.state, again.body, again.event_id) == ("pending", ping.body, ping.event_id)


def test_what_is_under_way_is_not_sent_beside_itself(there: Endpoint) -> None:
    ping = services.endpoint_ping(endpoint=there)
    with pytest.raises(Conflict) as refusal:
        services.delivery_replay(delivery=ping)
    assert refusal.value.error_code == "under_way"


def test_nothing_is_sent_again_to_one_that_is_disabled(there: Endpoint) -> None:
    ping = services.endpoint_ping(endpoint=there)
    services.endpoint_gone(endpoint=there)
    there.refresh_from_db()
    ping.endpoint.refresh_from_db()
    with pytest.raises(Conflict) as replay:
        services.delivery_replay(delivery=ping)
    with pytest.raises(Conflict) as trial:
        services.endpoint_ping(endpoint=there)
    assert replay.value.error_code == trial.value.error_code == "endpoint_disabled"
