"""Links: each for one purpose, once, and for a while."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import update_last_login
from pytest_django import Settings

from pipelines.accounts.links import RESET, SIGN_IN, VERIFY, Purpose, token_of, user_by_token
from pipelines.accounts.models import User
from pipelines.accounts.services import email_verify, link_sign_in, password_reset, password_set
from pipelines.core.errors import InvalidInput
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

PURPOSES = [VERIFY, SIGN_IN, RESET]


@pytest.fixture
def user(db: None) -> User:
    return UserFactory.create(email_verified_at=None)


def _is_good(token: str, purpose: Purpose) -> bool:
    try:
        return user_by_token(token, purpose) is not None
    except InvalidInput:
        return False


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.name)
def test_a_link_is_for_its_purpose_alone(user: User, purpose: Purpose) -> None:
    token = token_of(user, purpose)
    assert user_by_token(token, purpose) == user
    assert [other for other in PURPOSES if _is_good(token, other)] == [purpose]


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.name)
def test_a_link_lasts_as_long_as_its_setting_says(
    user: User, purpose: Purpose, settings: Settings
) -> None:
    token = token_of(user, purpose)
    setattr(settings, purpose.lifetime, -1)
    assert not _is_good(token, purpose)


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.name)
@pytest.mark.parametrize("change", [{"is_active": False}, {"email": "other@example.org"}])
def test_a_link_ends_with_its_account_or_address(
    user: User, purpose: Purpose, change: dict[str, object]
) -> None:
    token = token_of(user, purpose)
    User.objects.filter(pk=user.pk).update(**change)
    assert not _is_good(token, purpose)


def test_a_link_of_nobody(user: User) -> None:
    token = token_of(user, SIGN_IN)
    user.delete()
    assert not _is_good(token, SIGN_IN)
    assert not any(_is_good(text, SIGN_IN) for text in ("", "x", token[:-1], token + "x"))


def test_verifying_uses_a_link_up(user: User) -> None:
    token = token_of(user, VERIFY)
    assert email_verify(token=token).email_verified
    assert not _is_good(token, VERIFY)


def test_signing_in_uses_a_link_up_and_verifies_the_address(user: User) -> None:
    first, second = token_of(user, SIGN_IN), token_of(user, SIGN_IN)
    assert link_sign_in(token=first).email_verified
    assert not _is_good(first, SIGN_IN)
    assert not _is_good(second, SIGN_IN)


def test_signing_in_some_other_way_makes_a_link_void(user: User) -> None:
    token = token_of(user, SIGN_IN)
    update_last_login(User, user)
    assert not _is_good(token, SIGN_IN)


def test_choosing_a_password_uses_a_link_up(user: User) -> None:
    token = token_of(user, RESET)
    assert password_reset(token=token, password="another long one").check_password(
        "another long one"
    )
    assert not _is_good(token, RESET)


def test_a_changed_password_makes_links_void(user: User) -> None:
    tokens = {purpose: token_of(user, purpose) for purpose in (SIGN_IN, RESET)}
    password_set(user=user, password="another long one")
    assert not any(_is_good(token, purpose) for purpose, token in tokens.items())
