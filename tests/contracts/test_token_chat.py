"""The token contract: register, sign in, chat, and pay from a balance of 4000."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.needs("redis")]

PASSWORD = "a quiet long password"


def _register(http: httpx.Client, name: str) -> httpx.Response:
    return http.post("/api/register/", json={"username": name, "password": PASSWORD})


@pytest.fixture
def access(http: httpx.Client, name: str) -> dict[str, str]:
    """What somebody who has just registered and signed in shows."""
    assert _register(http, name).status_code == 201
    tokens = http.post("/api/login/", json={"username": name, "password": PASSWORD}).json()
    return {"Authorization": f"Bearer {tokens['access']}"}


def test_a_registration(http: httpx.Client, name: str) -> None:
    made = _register(http, name)
    assert (made.status_code, made.json()) == (201, {"message": "User created successfully"})
    again = _register(http, name)
    assert (again.status_code, again.json()["error"]) == (400, "Username already exists")


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({}, ["username", "password"]),
        ({"username": "ada"}, ["password"]),
        ({"password": PASSWORD}, ["username"]),
    ],
)
def test_a_registration_without_a_field_names_it(
    http: httpx.Client, body: dict[str, str], missing: list[str]
) -> None:
    refused = http.post("/api/register/", json=body)
    assert refused.status_code == 400
    assert all(field in refused.json()["error"] for field in missing)


def test_a_poor_password_is_refused(http: httpx.Client, name: str) -> None:
    refused = http.post("/api/register/", json={"username": name, "password": "12345678"})
    assert refused.status_code == 400
    assert "password" in refused.json()["error"]


def test_a_login(http: httpx.Client, name: str) -> None:
    _register(http, name)
    good = http.post("/api/login/", json={"username": name, "password": PASSWORD})
    assert (good.status_code, sorted(good.json())) == (200, ["access", "refresh"])
    for body in (
        {"username": name, "password": "wrong"},
        {"username": "no" + name, "password": "x"},
    ):
        bad = http.post("/api/login/", json=body)
        assert (bad.status_code, bad.json()["error"]) == (400, "Invalid credentials")


def test_a_chat_costs_a_hundred(http: httpx.Client, name: str, access: dict[str, str]) -> None:
    assert http.get("/api/tokens/", headers=access).json() == {"tokens": 4000}
    reply = http.post("/api/chat/", json={"message": "Who pays the toll?"}, headers=access)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert {"user", "message", "response", "timestamp"} <= body.keys()
    assert body["message"] == "Who pays the toll?"
    assert body["response"]
    assert body["timestamp"].endswith("Z")
    assert http.get("/api/tokens/", headers=access).json() == {"tokens": 3900}


@pytest.mark.parametrize("body", [{}, {"message": ""}, {"message": "  "}, {"message": None}])
def test_a_message_is_required(
    http: httpx.Client, access: dict[str, str], body: dict[str, Any]
) -> None:
    refused = http.post("/api/chat/", json=body, headers=access)
    assert (refused.status_code, refused.json()["error"]) == (400, "Message is required")


def test_an_empty_balance(http: httpx.Client, access: dict[str, str]) -> None:
    for spent in range(100, 4001, 100):
        reply = http.post("/api/chat/", json={"message": "Again"}, headers=access)
        assert reply.status_code == 200, (spent, reply.text)
    assert http.get("/api/tokens/", headers=access).json() == {"tokens": 0}
    refused = http.post("/api/chat/", json={"message": "Once more"}, headers=access)
    assert (refused.status_code, refused.json()["error"]) == (400, "Insufficient tokens")


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/chat/"), ("GET", "/api/tokens/")])
def test_nobody_is_refused(http: httpx.Client, method: str, path: str) -> None:
    assert http.request(method, path, json={"message": "Hello"}).status_code == 401
    bad = {"Authorization": "Bearer nonsense"}
    assert http.request(method, path, json={"message": "Hello"}, headers=bad).status_code == 401


def test_without_the_last_slash(http: httpx.Client, name: str) -> None:
    assert (
        http.post("/api/register", json={"username": name, "password": PASSWORD}).status_code == 201
    )
    tokens = http.post("/api/login", json={"username": name, "password": PASSWORD}).json()
    shown = {"Authorization": f"Bearer {tokens['access']}"}
    assert http.get("/api/tokens", headers=shown).json() == {"tokens": 4000}
