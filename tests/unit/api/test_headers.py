"""What every answer says to a browser, and the limits of a request's head."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from api.handler import FrontDoor
from api.headers import PAGES
from tests.factories import StaffFactory, UserFactory

pytestmark = pytest.mark.django_db

NOTHING = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
ALWAYS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(StaffFactory.create())
    return client


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/healthz", 200),
        ("/api/schema/", 200),
        ("/api/docs/", 200),
        ("/api/v1/jobs/", 200),
        ("/api/v1/nothing/", 404),
        ("/v1/nothing", 404),
        ("/v1/models", 401),
        ("/admin/", 200),
        ("/nothing/", 404),
    ],
)
def test_every_answer_has_its_guards(staff: Client, path: str, status: int) -> None:
    answer = staff.get(path)

    assert answer.status_code == status
    assert {name: answer[name] for name in ALWAYS} == ALWAYS
    assert "camera=()" in answer["Permissions-Policy"]
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    is_page = answer["Content-Type"].startswith("text/html")
    assert (answer["Content-Security-Policy"] == NOTHING) is not is_page


def test_a_refused_host_has_them_too(staff: Client) -> None:
    answer = staff.get("/", headers={"Host": "elsewhere.example"})

    assert answer.status_code == 400
    assert {name: answer[name] for name in ALWAYS} == ALWAYS


def test_no_page_lets_a_script_stand_in_it(staff: Client) -> None:
    policies = {path: staff.get(path)["Content-Security-Policy"] for path in ("/", "/admin/")}
    policies["docs"] = staff.get("/api/docs/")["Content-Security-Policy"]

    assert policies["/"] == PAGES
    for policy in policies.values():
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert "'unsafe-inline'" not in scripts
        assert "http" not in policy
    assert "'unsafe-eval'" not in policies["docs"] + policies["/"]


def test_the_docs_and_the_admin_have_no_script_that_their_policy_forbids(staff: Client) -> None:
    for path in ("/api/docs/", "/admin/", "/admin/jobs/job/", "/admin/login/"):
        page = (Client() if "login" in path else staff).get(path).content.decode()
        scripts = page.split("<script")[1:]
        assert scripts
        assert [each[:80] for each in scripts if "src=" not in each.partition(">")[0]] == []
        assert " onclick=" not in page


def test_the_script_of_the_docs_is_served_apart() -> None:
    answer = Client().get("/api/docs/?script=")

    assert answer["Content-Type"].startswith("application/javascript")
    assert "/api/schema/" in answer.content.decode()


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/api/v1/accounts/me/", "no-store"),
        ("/api/v1/conversations/", "no-store"),
        ("/api/v1/nothing/", "no-store"),
        ("/outbox/", "no-store"),
        ("/", None),
        ("/api/schema/", None),
    ],
)
def test_nobody_keeps_a_private_answer(staff: Client, path: str, kept: str | None) -> None:
    assert staff.get(path).get("Cache-Control") == kept


def test_nobody_keeps_an_answer_that_has_a_mark_of_its_own(client: APIClient) -> None:
    made = client.post("/api/v1/turns/", {"message": "Hello"}, format="json").json()

    answer = client.get(f"/api/v1/jobs/{made['id']}/")

    assert (answer["Cache-Control"], answer.has_header("ETag")) == ("no-store", True)


@pytest.mark.parametrize("path", ["/", "/api/v1/jobs/", "/chat/", "/healthz", "/v1/models"])
def test_nobody_is_sent_back_the_own_request(staff: Client, path: str) -> None:
    answer = staff.trace(path, headers={"X-Secret": "hush"})

    assert answer.status_code in {401, 405}
    assert b"hush" not in answer.content


def test_cookies_are_for_this_site_and_the_sessions_for_no_script() -> None:
    user = UserFactory.create()
    body = {"username": user.username, "password": "correct horse battery staple"}
    answer = Client().post("/api/v1/session/", json.dumps(body), content_type="application/json")

    for name, is_hidden in (("sessionid", True), ("csrftoken", "")):
        cookie = answer.cookies[name]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (is_hidden, "Lax", "/")


def _head(path: str = "/healthz", query: bytes = b"", **headers: str) -> tuple[int, Any, Any]:
    """Send a request past the server; return the status, the headers and the body."""
    pairs = [(b"host", b"localhost"), *((k.encode(), v.encode()) for k, v in headers.items())]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query}
    sent: list[dict[str, Any]] = []

    async def serve() -> None:
        heard = iter([{"type": "http.request", "body": b""}])

        async def receive() -> dict[str, Any]:
            if message := next(heard, None):
                return message
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await FrontDoor()({**scope, "headers": pairs}, receive, send)

    asyncio.run(serve())
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(body)


def test_a_head_may_be_as_large_as_its_limit(settings: Settings) -> None:
    settings.HEADERS_MAX = 3
    assert _head(a="1", b="2")[0] == 200
    status, headers, body = _head(a="1", b="2", c="3")
    assert (status, body["code"]) == (431, "headers_too_large")
    assert headers[b"Content-Security-Policy"] == NOTHING.encode()

    room = settings.HEADERS_MAX_BYTES - len("host: localhost\r\n") - len("x: \r\n")
    assert _head(x="y" * room)[0] == 200
    assert _head(x="y" * (room + 1))[0] == 431


def test_an_address_may_be_as_long_as_its_limit(settings: Settings) -> None:
    room = settings.ADDRESS_MAX_BYTES - len("/healthz")
    assert _head(query=b"q" * room)[0] == 200
    status, _, body = _head(query=b"q" * (room + 1))
    assert (status, body["code"]) == (414, "address_too_long")


def test_a_query_may_have_as_many_fields_as_their_limit(client: APIClient) -> None:
    most = django_settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    fields = "&".join(f"x{number}=1" for number in range(most))
    assert client.get(f"/api/v1/jobs/?{fields}").status_code == 200
    refused = client.get(f"/api/v1/jobs/?{fields}&y=1")
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed")
