"""Pages: the landing page for all, the outbox for staff, the API's own description."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from api.headers import PAGES
from tests.factories import EmailFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db


def _pages() -> Iterator[str]:
    """Every page as its visitor gets it."""
    yield Client().get("/").content.decode()
    client = Client()
    client.force_login(StaffFactory.create())
    yield client.get("/outbox/").content.decode()


def test_the_landing_page_says_how_to_begin() -> None:
    """Given anybody, the page names the API, the admin and a command with this house's address."""
    response = Client().get("/")
    page = response.content.decode()
    assert (response.status_code, response["Content-Security-Policy"]) == (200, PAGES)
    assert f"curl {settings.PUBLIC_URL}/api/v1/tokens/" in page
    for place in ("/api/docs/", "/admin/", "/outbox/", "/readyz"):
        assert f'href="{place}"' in page


def test_pages_obey_their_own_policy() -> None:
    """Given each page, it has no script and no inline style, and its own files exist."""
    for page in _pages():
        assert re.search(r"<script|<style| style=| on\w+=", page) is None
        files = re.findall(r'(?:href|src)="/static/([^"]+)"', page)
        assert files == ["pages/icon.svg", "pages/pages.css"]
        assert all(finders.find(file) for file in files)
        assert page.count("<h1>") == 1
        assert '<html lang="en">' in page


def test_the_outbox_is_for_staff() -> None:
    """Given nobody or somebody, the outbox leads to the admin's sign-in."""
    client = Client()
    for _ in range(2):
        response = client.get("/outbox/")
        assert (response.status_code, response["Location"]) == (
            302,
            "/admin/login/?next=/outbox/",
        )
        client.force_login(UserFactory.create())


def test_the_outbox_shows_texts_as_texts() -> None:
    """Given 51 e-mails with markup in them, the newest 50 are shown, escaped."""
    oldest = EmailFactory.create(subject="The oldest")
    EmailFactory.create_batch(50, subject="<script>alert(1)</script>", state="sent")
    client = Client()
    client.force_login(StaffFactory.create())
    response = client.get("/outbox/")
    page = response.content.decode()
    assert page.count("<article") == 50
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 50
    assert "A &lt;b&gt;text&lt;/b&gt;." in page
    assert oldest.subject not in page
    assert response["Cache-Control"] == "no-store"


def test_the_outbox_keeps_to_itself_what_was_really_sent(settings: Settings) -> None:
    """Given a transport that delivers, what an e-mail says is its reader's alone."""
    EmailFactory.create(text="Your link: /accounts/link/?token=secret")
    client = Client()
    client.force_login(StaffFactory.create())
    assert b"token=secret" in client.get("/outbox/").content
    settings.MAIL_TRANSPORT = "smtp"
    assert b"token=secret" not in client.get("/outbox/").content


def test_the_docs_load_nothing_from_elsewhere() -> None:
    """Given the page of the docs, all that it loads lies on this house."""
    page = Client().get("/api/docs/").content.decode()
    assert "/static/drf_spectacular_sidecar/" in page
    assert re.search(r'(?:href|src)="(?:https?:)?//', page) is None


def test_the_description_is_the_committed_one(tmp_path: Path) -> None:
    """Given the routes, their description is docs/openapi.yaml, without a warning."""
    fresh = tmp_path / "openapi.yaml"
    call_command("spectacular", "--file", str(fresh), "--validate", "--fail-on-warn")
    committed = Path("docs/openapi.yaml").read_text(encoding="utf-8")
    assert fresh.read_text(encoding="utf-8") == committed
    served = Client().get("/api/schema/")
    assert served.content.decode() == committed
