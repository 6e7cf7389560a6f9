"""The RAG contract: JWT accounts, a chat over the knowledge base, conversations, the scheduler."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.acceptance.stack import Stack
from tests.contracts.conftest import Mailbox

pytestmark = [pytest.mark.slow, pytest.mark.needs("redis")]

PASSWORD = "testpass123"
Shown = dict[str, str]
_PROMOTE = """
from pipelines.accounts.models import User
User.objects.filter(username="{name}").update(is_staff=True)
"""


def _body(name: str, **fields: Any) -> dict[str, Any]:
    return {"username": name, "email": f"{name}@example.com", "password": PASSWORD, **fields}


def _signed_in(http: httpx.Client, name: str) -> Shown:
    assert http.post("/api/auth/signup", json=_body(name)).status_code == 201
    return _shown(http, name)


def _shown(http: httpx.Client, name: str) -> Shown:
    answer = http.post("/api/auth/login", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access']}"}


@pytest.fixture
def access(http: httpx.Client, name: str) -> Shown:
    return _signed_in(http, name)


def _say(http: httpx.Client, access: Shown, message: str, **fields: Any) -> Any:
    answer = http.post("/api/chat", json={"message": message, **fields}, headers=access)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_signup_is_verified_by_a_link(http: httpx.Client, name: str, mailbox: Mailbox) -> None:
    made = http.post("/api/auth/signup", json=_body(name))
    assert made.status_code == 201
    assert made.json()["user"]["username"] == name
    link = urlsplit(mailbox.link(f"{name}@example.com", "verify"))
    assert http.get(f"{link.path}?{link.query}").status_code == 200
    access = _shown(http, name)
    assert http.get("/api/auth/profile", headers=access).json()["email_verified"] is True


def test_the_contracts_own_path_verifies_once(
    http: httpx.Client, name: str, mailbox: Mailbox
) -> None:
    http.post("/api/auth/signup", json=_body(name))
    token = urlsplit(mailbox.link(f"{name}@example.com", "verify")).query.removeprefix("token=")
    path = f"/api/auth/verify-email/{token}"
    assert http.get(path[:-2] + "xx").status_code == 400
    assert http.get(path).status_code == 200
    assert http.get(path).status_code == 400
    assert "error" in http.get(path).json()


@pytest.mark.parametrize(
    ("taken", "sentence"),
    [("username", "Username already exists"), ("email", "Email already exists")],
)
def test_names_are_unique(http: httpx.Client, name: str, taken: str, sentence: str) -> None:
    first = _body(name)
    assert http.post("/api/auth/signup", json=first).status_code == 201
    second = {**_body(f"{name}-2"), taken: first[taken]}
    refused = http.post("/api/auth/signup", json=second)
    assert (refused.status_code, refused.json()["error"]) == (400, sentence)


@pytest.mark.parametrize("poor", [{"password": ""}, {"email": "nonsense"}, {"username": ""}])
def test_a_poor_signup(http: httpx.Client, name: str, poor: dict[str, str]) -> None:
    refused = http.post("/api/auth/signup", json=_body(name, **poor))
    assert refused.status_code == 400
    assert next(iter(poor)) in refused.json()["error"]


def test_a_login(http: httpx.Client, name: str) -> None:
    http.post("/api/auth/signup", json=_body(name))
    by_email = {"email": f"{name}@example.com", "password": PASSWORD}
    good = http.post("/api/auth/login", json=by_email)
    assert good.status_code == 200
    assert {"access", "refresh"} <= good.json().keys()
    for who in (name, "no" + name):
        bad = http.post("/api/auth/login", json={"username": who, "password": "wrong"})
        assert (bad.status_code, bad.json()["error"]) == (401, "Invalid credentials")


def test_a_chat_goes_on_in_its_conversation(http: httpx.Client, access: Shown) -> None:
    first = _say(http, access, "Who pays the toll?")
    assert {"conversation_id", "response", "message", "timestamp"} <= first.keys()
    assert first["message"] == "Who pays the toll?"
    second = _say(http, access, "And who else?", conversation_id=first["conversation_id"])
    assert second["conversation_id"] == first["conversation_id"]
    whole = http.get(f"/api/conversations/{first['conversation_id']}", headers=access).json()
    assert [row["role"] for row in whole["messages"]] == ["user", "assistant"] * 2
    assert whole["messages"][3]["content"] == second["response"]
    history = http.get("/api/chat-history", headers=access).json()["history"]
    assert [row["message"] for row in history] == ["Who pays the toll?", "And who else?"]
    assert [row["response"] for row in history] == [first["response"], second["response"]]


def test_conversations_are_listed_renamed_and_deleted(http: httpx.Client, access: Shown) -> None:
    ids = [_say(http, access, text)["conversation_id"] for text in ("One", "Two")]
    listed = http.get("/api/conversations", headers=access).json()["conversations"]
    assert [row["id"] for row in listed] == ids[::-1]
    path = f"/api/conversations/{ids[0]}"
    renamed = http.put(f"{path}/rename", json={"title": "First"}, headers=access)
    assert (renamed.status_code, renamed.json()["title"]) == (200, "First")
    assert http.put(f"{path}/rename", json={}, headers=access).status_code == 400
    assert http.delete(f"{path}/delete", headers=access).status_code == 200
    assert http.get(path, headers=access).status_code == 404
    assert len(http.get("/api/conversations", headers=access).json()["conversations"]) == 1


def test_anothers_conversation_is_not_there(http: httpx.Client, access: Shown, name: str) -> None:
    foreign = _say(http, access, "Mine")["conversation_id"]
    other = _signed_in(http, f"{name}-2")
    for who in (foreign, str(uuid4()), "nonsense"):
        path = f"/api/conversations/{who}"
        answers = [
            http.get(path, headers=other),
            http.put(f"{path}/rename", json={"title": "x"}, headers=other),
            http.delete(f"{path}/delete", headers=other),
        ]
        assert [answer.status_code for answer in answers] == [404] * 3
        assert len({answer.text for answer in answers}) == 1
    for who in (foreign, str(uuid4())):
        said = {"message": "x", "conversation_id": who}
        assert http.post("/api/chat", json=said, headers=other).status_code == 404


@pytest.mark.parametrize(
    "body", [{}, {"message": ""}, {"message": 7}, {"message": "x", "conversation_id": "nonsense"}]
)
def test_a_poor_message(http: httpx.Client, access: Shown, body: dict[str, Any]) -> None:
    refused = http.post("/api/chat", json=body, headers=access)
    assert refused.status_code == 400
    assert refused.json()["error"]


def test_a_client_that_does_not_wait(http: httpx.Client, access: Shown) -> None:
    prefer = {**access, "Prefer": "respond-async"}
    accepted = http.post("/api/chat", json={"message": "Later"}, headers=prefer)
    assert accepted.status_code == 202
    job = http.get(accepted.headers["Location"], params={"wait": 30}, headers=access).json()
    assert (job["id"], job["state"]) == (accepted.json()["job_id"], "completed")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/auth/profile"),
        ("POST", "/api/chat"),
        ("GET", "/api/chat-history"),
        ("GET", "/api/conversations"),
        ("GET", f"/api/conversations/{uuid4()}"),
        ("DELETE", f"/api/conversations/{uuid4()}/delete"),
        ("PUT", f"/api/conversations/{uuid4()}/rename"),
        ("GET", "/api/admin/scheduler/status"),
        ("POST", "/api/admin/scheduler/trigger"),
        ("GET", "/api/admin/scheduler/statistics"),
    ],
)
def test_nobody_is_refused(http: httpx.Client, method: str, path: str) -> None:
    for slash in ("", "/"):
        if path + slash == "/api/chat/":
            continue  # the token contract's
        answer = http.request(method, path + slash, headers={"Accept": "application/json"})
        assert answer.status_code == 401, path + slash


@pytest.mark.parametrize(
    ("path", "heading"), [("login", "Sign in"), ("signup", "Sign up"), ("profile", "Sign in")]
)
def test_pages_or_json(http: httpx.Client, access: Shown, path: str, heading: str) -> None:
    """A browser gets a page, a profile's after signing in; a program gets JSON."""
    page = http.get(
        f"/api/auth/{path}", headers={"Accept": "text/html,*/*;q=0.8"}, follow_redirects=True
    )
    assert page.status_code == 200
    assert f"<h1>{heading}</h1>" in page.text
    told = http.get(f"/api/auth/{path}", headers={**access, "Accept": "application/json"})
    assert told.status_code == 200
    assert told.headers["Content-Type"] == "application/json"


def test_the_scheduler_is_for_staff(
    http: httpx.Client, stack: Stack, name: str, access: Shown
) -> None:
    for method, path in (("GET", "status"), ("POST", "trigger"), ("GET", "statistics")):
        assert (
            http.request(method, f"/api/admin/scheduler/{path}", headers=access).status_code == 403
        )
    stack.manage("shell", "-c", _PROMOTE.format(name=name))
    assert http.get("/api/admin/scheduler/status", headers=access).json()["entries"]
    assert http.get("/api/admin/scheduler/statistics", headers=access).json()["current"]["users"]
    started = http.post("/api/admin/scheduler/trigger", json={"task": "stats"}, headers=access)
    assert started.status_code == 202
    job = http.get(started.headers["Location"], params={"wait": 30}, headers=access).json()
    assert job["state"] == "completed"
