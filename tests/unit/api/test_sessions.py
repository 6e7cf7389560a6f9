"""The session of a browser: a cookie, and a token that every unsafe request shows."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from tests.factories import PASSWORD

SESSION = "/api/v1/session/"
TURNS = "/api/v1/turns/"


@pytest.fixture
def browser(db: None) -> APIClient:
    """A client that is asked for its CSRF token, as browsers are."""
    return APIClient(enforce_csrf_checks=True)


def _open(browser: APIClient, user: User, password: str = PASSWORD) -> int:
    body = {"email": user.email, "password": password}
    answer = browser.post(SESSION, body, format="json")
    if answer.status_code == 200:
        assert answer.json()["user"]["id"] == str(user.pk)
        browser.credentials(HTTP_X_CSRFTOKEN=answer.json()["csrf_token"])
    return int(answer.status_code)


def test_a_session_is_opened_used_and_closed(browser: APIClient, user: User) -> None:
    assert _open(browser, user) == 200
    assert browser.post(TURNS, {"message": "Hello"}, format="json").status_code == 202
    closed = browser.delete(SESSION)
    assert (closed.status_code, closed["Clear-Site-Data"]) == (204, '"cache", "storage"')
    assert browser.get("/api/v1/jobs/").status_code == 401


def test_a_session_begins_under_an_id_of_its_own(browser: APIClient, user: User) -> None:
    browser.cookies["sessionid"] = "chosen-by-somebody-else"
    ids = []
    for _ in range(2):
        assert _open(browser, user) == 200
        ids.append(browser.cookies["sessionid"].value)
    assert len({*ids, "chosen-by-somebody-else"}) == 3
    browser.cookies["sessionid"] = ids[0]
    assert browser.get("/api/v1/jobs/").status_code == 401


def test_without_the_token_nothing_is_done(browser: APIClient, user: User) -> None:
    assert _open(browser, user) == 200
    browser.credentials()
    assert browser.get("/api/v1/jobs/").status_code == 200
    assert browser.post(TURNS, {"message": "Hello"}, format="json").status_code == 403
    assert browser.delete(SESSION).status_code == 403


def test_a_wrong_password_opens_nothing(browser: APIClient, user: User) -> None:
    assert _open(browser, user, "wrong") == 401
    assert browser.get("/api/v1/jobs/").status_code == 401
