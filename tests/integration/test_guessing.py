"""Wrong passwords that come at once, over many connections."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from pytest_django import Settings
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from tests.factories import PASSWORD
from tests.integration.rivals import at_once

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs("postgres"),
    pytest.mark.skipif(
        "sqlite" in django_settings.DATABASES["default"]["ENGINE"],
        reason="runs in the PostgreSQL pass",
    ),
]

# PostgreSQL takes a hundred connections by default, and other tests have some.
GUESSES = 60
LIMIT = 10


@pytest.fixture
def compared(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were hashed."""
    passwords: list[str] = []
    encode = PBKDF2PasswordHasher.encode

    def noted(self: Any, password: str, *args: Any, **options: Any) -> str:
        passwords.append(password)
        return encode(self, password, *args, **options)

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    settings.AXES_FAILURE_LIMIT = LIMIT
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 10_000)
    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", noted)
    return passwords


def _guess(name: str) -> int:
    body = {"username": name, "password": "wrong"}
    return APIClient().post("/api/v1/tokens/", body, format="json").status_code


@pytest.mark.parametrize("is_known", [True, False])
def test_no_more_passwords_are_compared_than_may_be_wrong(
    compared: list[str], is_known: bool
) -> None:
    user = User.objects.create_user("ada", "ada@example.org", PASSWORD)
    names = [user.username, user.email, user.email.upper()] if is_known else ["nobody"]
    compared.clear()

    statuses = at_once(lambda number: _guess(names[number % len(names)]), GUESSES)

    assert Counter(statuses) == {401: LIMIT, 429: GUESSES - LIMIT}
    assert len(compared) == LIMIT
