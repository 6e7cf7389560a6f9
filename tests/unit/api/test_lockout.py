"""Guessing of passwords: ten wrong ones in a row, and the account takes none for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.signals import user_logged_in
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from pipelines.accounts.models import User
from tests.factories import PASSWORD, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db

LIMIT = 3
PLACES = ("/api/v1/tokens/", "/api/v1/session/", "/api/auth/login")


@pytest.fixture(autouse=True)
def few(settings: Settings) -> None:
    settings.AXES_FAILURE_LIMIT = LIMIT


def _signs_in(name: str, password: str = "wrong", place: str = PLACES[0]) -> Any:
    return APIClient().post(place, {"username": name, "password": password}, format="json")


def _lock(name: str) -> None:
    statuses = [_signs_in(name).status_code for _ in range(LIMIT + 1)]
    assert statuses == [401] * LIMIT + [429]


def test_no_password_is_taken_after_the_limit_not_even_the_right_one(user: User) -> None:
    _lock(user.username)

    answers = [_signs_in(user.username, PASSWORD, place) for place in PLACES]

    assert [answer.status_code for answer in answers] == [429] * len(PLACES)
    assert {answer.json()["code"] for answer in answers} == {"sign_in_locked"}
    assert all(890 <= int(answer["Retry-After"]) <= 900 for answer in answers)


def test_all_names_of_an_account_count_as_one_in_any_case(user: User) -> None:
    names = [user.username, user.email, user.email.upper()]

    statuses = [_signs_in(name).status_code for name in [*names, user.username]]

    assert statuses == [401, 401, 401, 429]
    assert AccessAttempt.objects.get().username == user.username


def test_an_unknown_name_is_locked_alike(user: User) -> None:
    for name in (user.username, "nobody", "nobody@example.org"):
        _lock(name)

    answers = [_signs_in(name).json() for name in (user.email, "nobody", "NOBODY@example.org")]

    assert answers[0] == answers[1] == answers[2]


def test_others_sign_in_meanwhile(user: User) -> None:
    _lock(user.username)

    assert _signs_in(UserFactory.create().username, PASSWORD).status_code == 200


def test_a_locked_account_compares_no_password(
    user: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    encode = PBKDF2PasswordHasher.encode

    def noted(self: Any, password: str, *args: Any, **options: Any) -> str:
        hashed.append(password)
        return encode(self, password, *args, **options)

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 1)
    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", noted)
    user.set_password(PASSWORD)
    user.save()
    hashed.clear()

    for name in (user.username, "nobody"):
        for _ in range(2 * LIMIT):
            _signs_in(name)
        assert hashed == ["wrong"] * LIMIT
        hashed.clear()


def test_a_good_sign_in_begins_the_count_afresh(user: User) -> None:
    for password in ["wrong"] * (LIMIT - 1) + [PASSWORD] + ["wrong"] * LIMIT:
        status = _signs_in(user.email, password).status_code
        assert status == (200 if password == PASSWORD else 401)

    assert _signs_in(user.email, PASSWORD).status_code == 429


def test_the_lock_ends_by_itself_and_a_guess_does_not_prolong_it(
    user: User, settings: Settings
) -> None:
    _lock(user.username)
    before = AccessAttempt.objects.get().attempt_time
    _signs_in(user.username)
    assert AccessAttempt.objects.get().attempt_time == before

    AccessAttempt.objects.update(attempt_time=timezone.now() - settings.AXES_COOLOFF_TIME)

    assert _signs_in(user.username).status_code == 401
    assert AccessAttempt.objects.get().failures_since_start == 1
    assert _signs_in(user.username, PASSWORD).status_code == 200


def test_what_is_over_is_forgotten(user: User) -> None:
    _signs_in("nobody")
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(days=1))

    _signs_in(user.username)

    assert [row.username for row in AccessAttempt.objects.all()] == [user.username]


def test_signing_in_by_a_link_unlocks(user: User) -> None:
    _lock(user.username)

    user_logged_in.send(sender=User, request=RequestFactory().post("/"), user=user)

    assert _signs_in(user.username, PASSWORD).status_code == 200


@pytest.mark.parametrize("place", ["/admin/login/", "/accounts/login/"])
def test_pages_that_sign_in_say_so_too(user: User, place: str) -> None:
    _lock(user.username)

    page = Client().post(place, {"username": user.username, "password": PASSWORD})

    assert page.status_code == 429
    assert 890 <= int(page["Retry-After"]) <= 900
    assert "sign in by a link" in page.content.decode()


def test_the_log_tells_of_each_sign_in_and_of_no_name(user: User) -> None:
    with capture_logs() as logs:
        _signs_in(user.username)
        _signs_in(user.username, PASSWORD)

    told = [line for line in logs if line["event"].startswith("sign_in.")]
    here = {"address": "127.0.0.1", "path": PLACES[0]}
    assert told == [
        {"event": "sign_in.failed", "log_level": "warning", **here},
        {"event": "sign_in.succeeded", "log_level": "info", "account": str(user.pk), **here},
    ]


def test_a_name_longer_than_the_column_is_counted(db: None) -> None:
    _lock("ß" * 254)


def test_staff_see_and_end_a_lock(user: User) -> None:
    _lock(user.username)
    staff = Client()
    staff.force_login(StaffFactory.create())
    place = reverse("admin:axes_accessattempt_changelist")

    page = staff.get(place).content.decode()
    chosen = {"action": "unlock", "_selected_action": [AccessAttempt.objects.get().pk]}
    done = staff.post(place, chosen)

    assert user.username in page
    assert done.status_code == 302
    assert _signs_in(user.username, PASSWORD).status_code == 200


def test_an_operator_ends_a_lock_by_a_command(user: User) -> None:
    _lock(user.username)

    call_command("axes_reset_username", user.username)

    assert _signs_in(user.username, PASSWORD).status_code == 200
