"""The session contract: a token in the header, chats that are called sessions."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.needs("redis")]

PASSWORD = "securepassword"
Shown = dict[str, str]


def _register(http: httpx.Client, name: str, **fields: Any) -> httpx.Response:
    body = {"username": name, "email": f"{name}@example.com"}
    both = {"password1": PASSWORD, "password2": PASSWORD}
    return http.post("/api/v1/accounts/register/", json={**body, **both, **fields})


def _login(http: httpx.Client, name: str) -> Shown:
    answer = http.post("/api/v1/accounts/login/", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Token {answer.json()['token']}"}


@pytest.fixture
def token(http: httpx.Client, name: str) -> Shown:
    assert _register(http, name).status_code == 201
    return _login(http, name)


def _say(http: httpx.Client, token: Shown, message: str, **fields: Any) -> Any:
    answer = http.post("/api/v1/chat/", json={"message": message, **fields}, headers=token)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_registration(http: httpx.Client, name: str) -> None:
    made = _register(http, name)
    assert made.status_code == 201
    assert (made.json()["username"], made.json()["email"]) == (name, f"{name}@example.com")
    assert _register(http, name).json()["error"] == "Email already exists"
    again = _register(http, name, email=f"other-{name}@example.com")
    assert (again.status_code, again.json()["error"]) == (400, "Username already exists")


@pytest.mark.parametrize("field", ["username", "email", "password1", "password2"])
def test_a_missing_field_is_named(http: httpx.Client, name: str, field: str) -> None:
    body = {"username": name, "email": f"{name}@example.com"}
    body |= {"password1": PASSWORD, "password2": PASSWORD}
    del body[field]
    refused = http.post("/api/v1/accounts/register/", json=body)
    assert refused.status_code == 400
    assert field in refused.json()["error"]


def test_passwords_that_differ(http: httpx.Client, name: str) -> None:
    refused = _register(http, name, password2="another secure one")
    assert refused.status_code == 400
    assert "password2" in refused.json()["error"]


def test_a_login_and_a_logout(http: httpx.Client, name: str, token: Shown) -> None:
    another = _login(http, name)
    assert http.get("/api/v1/chat/chats-history/", headers=token).status_code == 200
    assert http.post("/api/v1/accounts/logout/", headers=token).status_code == 200
    assert http.get("/api/v1/chat/chats-history/", headers=token).status_code == 401
    assert http.get("/api/v1/chat/chats-history/", headers=another).status_code == 200


def test_wrong_credentials(http: httpx.Client, name: str, token: Shown) -> None:
    for who in (name, "no" + name):
        bad = http.post("/api/v1/accounts/login/", json={"username": who, "password": "wrong"})
        assert (bad.status_code, bad.json()["error"]) == (401, "Invalid credentials")
    assert http.post("/api/v1/accounts/login/", json={"username": name}).status_code == 400


def test_a_session_remembers(http: httpx.Client, token: Shown) -> None:
    first = _say(http, token, "Hello, how are you?", session_id=None)
    assert sorted(first) == ["message", "session_id"]
    second = _say(http, token, "And now?", session_id=first["session_id"])
    other = _say(http, token, "Elsewhere")
    assert second["session_id"] == first["session_id"] != other["session_id"]
    listed = http.get("/api/v1/chat/chats-history/", headers=token).json()["sessions"]
    assert [row["session_id"] for row in listed] == [other["session_id"], first["session_id"]]
    assert all(row["created_at"] for row in listed)
    whole = http.get(f"/api/v1/chat/chats/{first['session_id']}/", headers=token).json()
    assert [(row["role"], row["message"]) for row in whole["messages"]] == [
        ("user", "Hello, how are you?"),
        ("assistant", first["message"]),
        ("user", "And now?"),
        ("assistant", second["message"]),
    ]


def test_anothers_session_is_not_there(http: httpx.Client, token: Shown, name: str) -> None:
    foreign = _say(http, token, "Mine")["session_id"]
    _register(http, f"{name}-2")
    other = _login(http, f"{name}-2")
    texts = set()
    for who in (foreign, str(uuid4()), "nonsense"):
        answer = http.get(f"/api/v1/chat/chats/{who}/", headers=other)
        assert answer.status_code == 404
        texts.add(answer.text)
    assert len(texts) == 1
    said = {"session_id": foreign, "message": "x"}
    assert http.post("/api/v1/chat/", json=said, headers=other).status_code == 404


@pytest.mark.parametrize(
    "body", [{}, {"message": ""}, {"message": "x", "session_id": "nonsense"}, {"message": ["x"]}]
)
def test_a_poor_message(http: httpx.Client, token: Shown, body: dict[str, Any]) -> None:
    refused = http.post("/api/v1/chat/", json=body, headers=token)
    assert refused.status_code == 400
    assert refused.json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/accounts/logout"),
        ("POST", "/api/v1/chat"),
        ("GET", "/api/v1/chat/chats-history"),
        ("GET", f"/api/v1/chat/chats/{uuid4()}"),
    ],
)
def test_nobody_is_refused(http: httpx.Client, method: str, path: str) -> None:
    for slash in ("", "/"):
        for shown in ({}, {"Authorization": "Token nonsense"}):
            assert http.request(method, path + slash, headers=shown).status_code == 401
