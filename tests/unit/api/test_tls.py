"""In production, people are sent on to https, programs are refused, and probes are answered."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture
def production(settings: Settings) -> Client:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    return Client()


@pytest.mark.parametrize("path", ["/api/v1/jobs/", "/api/chat", "/v1/models", "/api/nothing"])
def test_a_program_is_refused(production: Client, path: str) -> None:
    for refused in (production.get(path), production.post(path, {})):
        assert refused.status_code == 403
        assert refused.json()["code"] == "https_required"
        assert "Location" not in refused


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/chat/", "/admin/", "/apis/"])
def test_a_person_is_sent_on(production: Client, path: str) -> None:
    answer = production.get(path)
    assert (answer.status_code, answer["Location"]) == (301, f"https://testserver{path}")


def test_a_probe_from_inside_is_answered(production: Client) -> None:
    assert production.get("/healthz").json() == {"status": "ok"}
    assert production.get("/readyz").json()["ready"] in {True, False}


def test_what_came_by_tls_to_the_proxy_goes_through(production: Client) -> None:
    by_tls = {"X-Forwarded-Proto": "https"}
    assert production.get("/api/v1/jobs/", headers=by_tls).status_code == 401
    assert production.get("/", headers=by_tls).status_code == 200


def test_at_home_nobody_is_refused() -> None:
    assert Client().get("/api/v1/jobs/").status_code == 401
