"""The log tells of whoever was refused, and of nothing that was shown to be let in."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from limits import parse
from pytest_django import Settings
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from pipelines.accounts.models import User


def _told(client: Client, method: str, path: str, **options: Any) -> list[dict[str, Any]]:
    with capture_logs() as logs:
        getattr(client, method)(path, **options)
    return [dict(line) for line in logs if line["event"] == "api.refused"]


def test_who_has_no_credential(anonymous: APIClient) -> None:
    (line,) = _told(anonymous, "get", "/api/v1/jobs/", headers={"Authorization": "Bearer hush"})

    assert line == {
        "event": "api.refused",
        "log_level": "warning",
        "status": 401,
        "method": "GET",
        "path": "/api/v1/jobs/",
        "account": "",
        "address": "127.0.0.1",
    }


def test_who_has_no_right(client: APIClient, user: User) -> None:
    (line,) = _told(client, "get", "/api/v1/dead-letters/")

    assert (line["status"], line["account"]) == (403, str(user.pk))


def test_who_asks_too_often(client: APIClient, user: User, settings: Settings) -> None:
    settings.THROTTLE_USER = parse("1/hour")
    assert _told(client, "get", "/api/v1/jobs/") == []

    (line,) = _told(client, "get", "/api/v1/jobs/")

    assert (line["status"], line["account"]) == (429, str(user.pk))


@pytest.mark.django_db
def test_a_page_that_refuses_a_form() -> None:
    (line,) = _told(Client(enforce_csrf_checks=True), "post", "/accounts/login/")

    assert (line["status"], line["path"]) == (403, "/accounts/login/")
