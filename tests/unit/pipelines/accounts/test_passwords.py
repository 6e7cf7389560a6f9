"""A password that is hardly more than a name of the house is refused."""

from __future__ import annotations

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from pytest_django import Settings


def _codes(password: str) -> list[str | None]:
    try:
        validate_password(password)
    except ValidationError as error:
        return [part.code for part in error.error_list]
    return []


@pytest.mark.parametrize(
    ("password", "codes"),
    [
        ("Turnpike-2", ["password_of_the_house"]),
        ("acme.turnpike!1", ["password_of_the_house"]),
        ("turnpike1234567", ["password_of_the_house"]),
        ("turnpike of my own", []),
        ("acmexturnpike!12", []),
        ("k3x9mq2w", []),
        ("8240517390", []),
        ("12345678", ["password_too_common"]),
        ("k3x9mq2", ["password_too_short"]),
        ("password1", ["password_too_common"]),
        ("long enough, in lower case alone", []),
        ("é" * 4096, []),
    ],
)
def test_what_is_left_besides_the_words_counts(
    settings: Settings, password: str, codes: list[str]
) -> None:
    settings.PASSWORD_WORDS = ["turnpike", "acme."]
    assert _codes(password) == codes


def test_without_words_nothing_is_refused_for_them(settings: Settings) -> None:
    settings.PASSWORD_WORDS = []
    assert _codes("Turnpike-2") == []
