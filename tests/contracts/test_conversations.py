"""The conversation contract: a session with CSRF, or a token; conversations and their messages."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.needs("redis")]

PASSWORD = "a quiet long password"
CONVERSATIONS = "/api/chat/conversations/"


def _sign_in(http: httpx.Client, name: str) -> httpx.Response:
    """Register and sign in as a page's script does: with the token of `/api/csrf/`."""
    http.headers["X-CSRFToken"] = http.get("/api/csrf/").json()["csrfToken"]
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    made = http.post("/api/accounts/register/", json=body)
    assert made.status_code == 201, made.text
    answer = http.post("/api/accounts/login/", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    http.headers["X-CSRFToken"] = http.get("/api/csrf/").json()["csrfToken"]
    return answer


@pytest.fixture
def browser(http: httpx.Client, name: str) -> httpx.Client:
    """A client with a session."""
    _sign_in(http, name)
    return http


def test_names_are_unique(browser: httpx.Client, name: str) -> None:
    body = {"username": name, "email": f"x-{name}@example.com", "password": PASSWORD}
    refused = browser.post("/api/accounts/register/", json=body)
    assert (refused.status_code, refused.json()["error"]) == (400, "Username already exists")
    assert browser.post("/api/accounts/register/", json={}).status_code == 400


def test_a_session_without_csrf_is_refused(browser: httpx.Client) -> None:
    del browser.headers["X-CSRFToken"]
    assert browser.get(CONVERSATIONS).status_code == 200
    assert browser.post(CONVERSATIONS, json={"title": "x"}).status_code == 403
    assert browser.post("/api/accounts/logout/").status_code == 403


def test_a_token_needs_neither(http: httpx.Client, name: str) -> None:
    token = _sign_in(http, name).json()["token"]
    with httpx.Client(base_url=http.base_url) as bare:
        bearer = {"Authorization": f"Bearer {token}"}
        assert bare.post(CONVERSATIONS, json={}, headers=bearer).status_code == 201
        shown = {"Authorization": f"Token {token}"}
        assert bare.post(CONVERSATIONS, json={}, headers=shown).status_code == 201
        assert bare.post("/api/accounts/logout/", headers=shown).status_code == 200
        assert bare.get(CONVERSATIONS, headers=shown).status_code == 401


def test_wrong_credentials(browser: httpx.Client, name: str) -> None:
    for who in (name, "no" + name):
        bad = browser.post("/api/accounts/login/", json={"username": who, "password": "wrong"})
        assert (bad.status_code, bad.json()["error"]) == (401, "Invalid credentials")


def test_the_profile(browser: httpx.Client, name: str) -> None:
    profile = browser.get("/api/accounts/profile/").json()
    assert (profile["username"], profile["bio"], profile["preferences"]) == (name, "", {})
    changes = {"bio": "Counts.", "preferences": {"model": "sandbox-1"}}
    changed = browser.patch("/api/accounts/profile/", json=changes)
    assert changed.status_code == 200
    again = browser.get("/api/accounts/profile/").json()
    assert (again["bio"], again["preferences"]) == ("Counts.", {"model": "sandbox-1"})
    poor = browser.patch("/api/accounts/profile/", json={"bio": "x" * 501})
    assert poor.status_code == 400
    assert "bio" in poor.json()["error"]


def test_a_logout_ends_the_session(browser: httpx.Client) -> None:
    assert browser.post("/api/accounts/logout/").status_code == 200
    assert browser.get(CONVERSATIONS).status_code == 401


def test_conversations(browser: httpx.Client) -> None:
    made = browser.post(CONVERSATIONS, json={"title": "Tolls"})
    assert made.status_code == 201
    second = browser.post(CONVERSATIONS, json={}).json()
    listed = browser.get(CONVERSATIONS).json()
    assert [row["id"] for row in listed] == [second["id"], made.json()["id"]]
    path = f"{CONVERSATIONS}{made.json()['id']}/"
    assert browser.get(path).json() | {"messages": []} == {**made.json(), "messages": []}
    assert browser.delete(path).status_code == 204
    assert browser.get(path).status_code == 404


@pytest.mark.parametrize("field", ["content", "message"])
def test_a_message_and_its_reply(browser: httpx.Client, field: str) -> None:
    made = browser.post(CONVERSATIONS, json={"title": "Tolls"}).json()
    path = f"{CONVERSATIONS}{made['id']}/"
    answer = browser.post(f"{path}message/", json={field: "Who pays?"})
    assert answer.status_code == 200, answer.text
    said, reply = answer.json()["user_message"], answer.json()["assistant_message"]
    assert (said["role"], said["content"], reply["role"]) == ("user", "Who pays?", "assistant")
    assert browser.get(path).json()["messages"] == [said, reply]


@pytest.mark.parametrize("body", [{}, {"content": ""}, {"content": 7}])
def test_a_poor_message(browser: httpx.Client, body: dict[str, Any]) -> None:
    made = browser.post(CONVERSATIONS, json={}).json()
    refused = browser.post(f"{CONVERSATIONS}{made['id']}/message/", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]


def test_anothers_conversation_is_not_there(browser: httpx.Client, name: str) -> None:
    foreign = browser.post(CONVERSATIONS, json={}).json()["id"]
    with httpx.Client(base_url=browser.base_url) as other:
        _sign_in(other, f"{name}-2")
        for who in (foreign, str(uuid4()), "nonsense"):
            path = f"{CONVERSATIONS}{who}/"
            answers = [other.get(path), other.delete(path)]
            answers.append(other.post(f"{path}message/", json={"content": "x"}))
            assert [answer.status_code for answer in answers] == [404] * 3
    assert browser.get(f"{CONVERSATIONS}{foreign}/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/accounts/logout"),
        ("GET", "/api/accounts/profile"),
        ("PATCH", "/api/accounts/profile"),
        ("GET", "/api/chat/conversations"),
        ("POST", "/api/chat/conversations"),
        ("GET", f"/api/chat/conversations/{uuid4()}"),
        ("DELETE", f"/api/chat/conversations/{uuid4()}"),
        ("POST", f"/api/chat/conversations/{uuid4()}/message"),
    ],
)
def test_nobody_is_refused(http: httpx.Client, method: str, path: str) -> None:
    for slash in ("", "/"):
        assert http.request(method, path + slash).status_code == 401
