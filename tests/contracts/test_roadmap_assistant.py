"""The roadmap contract: register with a company, talk in the session, get the roadmap by e-mail."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.contracts.conftest import Mailbox

pytestmark = [pytest.mark.slow, pytest.mark.needs("redis")]

ASKED = "Can you give me the finalized AI roadmap?"


def _body(name: str) -> dict[str, str]:
    return {
        "firstName": "Jane",
        "lastName": "Doe",
        "email": f"{name}@example.com",
        "companyName": "Acme Corp",
        "industry": "Finance",
        "companySize": "11-50",
        "jobTitle": "Analyst",
    }


@pytest.fixture
def browser(http: httpx.Client, name: str) -> httpx.Client:
    """A client with the session that its registration opened."""
    made = http.post("/api/register/", json=_body(name))
    assert made.status_code == 201, made.text
    http.headers["X-CSRFToken"] = http.cookies["csrftoken"]
    return http


def _say(http: httpx.Client, name: str, message: str, **fields: Any) -> httpx.Response:
    email = f"{name}@example.com"
    return http.post(
        "/api/chat/", json={"user_id": email, "email": email, "message": message, **fields}
    )


def test_a_registration_opens_a_session(browser: httpx.Client) -> None:
    assert browser.get("/api/threads/").json() == {"threads": []}


def test_a_registration_returns_a_bearer_token(http: httpx.Client, name: str) -> None:
    token = http.post("/api/register/", json=_body(name)).json()["token"]
    with httpx.Client(base_url=http.base_url) as bare:
        shown = {"Authorization": f"Bearer {token}"}
        assert bare.get("/api/threads/", headers=shown).status_code == 200
        assert bare.get("/api/threads").status_code == 401


@pytest.mark.parametrize("missing", ["email", "firstName"])
def test_a_missing_field_is_named(http: httpx.Client, name: str, missing: str) -> None:
    body = _body(name)
    del body[missing]
    refused = http.post("/api/register/", json=body)
    assert refused.status_code == 400
    assert missing in refused.json()["error"]


def test_a_poor_address(http: httpx.Client, name: str) -> None:
    refused = http.post("/api/register/", json={**_body(name), "email": "nonsense"})
    assert refused.status_code == 400
    assert "email" in refused.json()["error"]


def test_messages_go_on_in_a_thread(browser: httpx.Client, name: str) -> None:
    first = _say(browser, name, "Hello")
    assert first.status_code == 200, first.text
    second = _say(browser, name, "Go on")
    assert first.json()["response"]
    assert second.json()["thread_id"] == first.json()["thread_id"]
    (thread,) = browser.get("/api/threads/").json()["threads"]
    assert thread["id"] == first.json()["thread_id"]


def test_the_roadmap_comes_as_text_pdf_and_email(
    browser: httpx.Client, name: str, mailbox: Mailbox
) -> None:
    answer = _say(browser, name, ASKED)
    assert "finalized AI roadmap" in answer.json()["response"]
    assert "attached" in mailbox.wait(f"{name}@example.com", "roadmap")
    (report,) = browser.get("/api/v1/reports/").json()["data"]
    job = browser.get(f"/api/v1/jobs/{report['job_id']}/").json()
    files = {file["name"]: file["url"] for file in job["artifacts"]}
    assert sorted(files) == ["roadmap.pdf", "roadmap.txt"]
    assert browser.get(files["roadmap.txt"]).text == answer.json()["response"]
    with httpx.Client(base_url=browser.base_url) as other:
        assert other.get(files["roadmap.pdf"]).status_code == 401


@pytest.mark.parametrize("field", ["user_id", "email"])
def test_a_body_that_names_another_is_refused(browser: httpx.Client, name: str, field: str) -> None:
    refused = _say(browser, name, "Hello", **{field: "bob@example.com"})
    assert refused.status_code == 403
    assert refused.json()["error"]


def test_a_message_is_required(browser: httpx.Client, name: str) -> None:
    refused = _say(browser, name, "")
    assert (refused.status_code, refused.json()["error"]) == (400, "Message is required")


def test_a_session_without_csrf_is_refused(browser: httpx.Client, name: str) -> None:
    del browser.headers["X-CSRFToken"]
    assert _say(browser, name, "Hello").status_code == 403


def test_nobody_is_refused(http: httpx.Client, name: str) -> None:
    assert _say(http, name, "Hello").status_code == 401
    assert http.get("/api/threads/").status_code == 401


def test_who_is_known_gets_in_by_a_link_alone(
    browser: httpx.Client, name: str, mailbox: Mailbox
) -> None:
    with httpx.Client(base_url=browser.base_url) as other:
        again = other.post("/api/register/", json=_body(name))
        assert again.status_code == 202
        assert "token" not in again.json()
        assert other.get("/api/threads/").status_code == 401
        link = urlsplit(mailbox.link(f"{name}@example.com", "sign in"))
        page = other.get(f"{link.path}?{link.query}")
        assert page.status_code == 200
        assert other.get("/api/threads/").status_code == 401  # looking at it signs nobody in
        token = parse_qs(link.query)["token"][0]
        fields = {"token": token, "csrfmiddlewaretoken": other.cookies["csrftoken"]}
        assert other.post(link.path, data=fields).status_code == 302
        assert other.get("/api/threads/").status_code == 200
        assert other.post(link.path, data=fields).status_code in {400, 403}
