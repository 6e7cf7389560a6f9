"""Tokens: signing in by either name, refreshing once, revoking."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from tests.factories import PASSWORD
from tests.unit.api.conftest import Rows


def _post(client: APIClient, path: str, **body: Any) -> Any:
    return client.post(f"/api/v1/tokens/{path}", body, format="json")


def _get_me(client: APIClient, access: str) -> int:
    answer = client.get("/api/v1/accounts/me/", HTTP_AUTHORIZATION=f"Bearer {access}")
    return int(answer.status_code)


def test_either_name_signs_in(anonymous: APIClient, user: User) -> None:
    """Given the address in any case or the username, the tokens work."""
    for name in (
        {"email": user.email.upper()},
        {"username": user.username},
        {"username": user.email},
    ):
        response = _post(anonymous, "", **name, password=PASSWORD)
        assert response.status_code == 200
        assert sorted(response.json()) == ["access", "refresh"]
        assert _get_me(anonymous, response.json()["access"]) == 200
    user.refresh_from_db()
    assert user.last_login is not None


@pytest.mark.parametrize("name", ["user", "nobody@example.org"])
def test_a_wrong_password_and_an_unknown_name_look_alike(
    anonymous: APIClient, user: User, rows: Rows, name: str
) -> None:
    """Given either mistake, the body is the same, and no token is kept."""
    before = rows()
    name = user.username if name == "user" else name
    response = _post(anonymous, "", username=name, password="wrong")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert response.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "There is no such account, or the password is wrong.",
        "code": "wrong_credentials",
    }
    assert rows() == before


def test_an_inactive_account_cannot_sign_in(anonymous: APIClient, user: User) -> None:
    """Given the right password of a closed account, the answer is 401."""
    User.objects.update(is_active=False)
    assert _post(anonymous, "", username=user.username, password=PASSWORD).status_code == 401


def test_a_name_is_needed(anonymous: APIClient) -> None:
    """Given a password alone, the answer is 422."""
    response = _post(anonymous, "", password=PASSWORD)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "email")


def test_a_refresh_token_works_once(anonymous: APIClient, user: User) -> None:
    """Given a refresh token, it gives a new pair; used again, it gives nothing."""
    first = _post(anonymous, "", username=user.username, password=PASSWORD).json()
    second = _post(anonymous, "refresh/", refresh=first["refresh"])
    assert second.status_code == 200
    assert _get_me(anonymous, second.json()["access"]) == 200
    again = _post(anonymous, "refresh/", refresh=first["refresh"])
    assert (again.status_code, again.json()["code"]) == (401, "token_not_valid")


def test_a_revoked_token_is_void(anonymous: APIClient, user: User) -> None:
    """Given a refresh token that was revoked, it gives nothing."""
    refresh = _post(anonymous, "", username=user.username, password=PASSWORD).json()["refresh"]
    assert _post(anonymous, "revoke/", refresh=refresh).status_code == 204
    assert _post(anonymous, "refresh/", refresh=refresh).status_code == 401
    assert _post(anonymous, "revoke/", refresh=refresh).status_code == 401
    assert _post(anonymous, "revoke/", refresh="nonsense").status_code == 401


def test_a_changed_password_ends_all_tokens(anonymous: APIClient, user: User) -> None:
    """Given tokens from before a change of password, neither is good for anything."""
    tokens = _post(anonymous, "", username=user.username, password=PASSWORD).json()
    user.set_password("another " + PASSWORD)
    user.save()
    assert _get_me(anonymous, tokens["access"]) == 401
    refreshed = _post(anonymous, "refresh/", refresh=tokens["refresh"])
    assert (refreshed.status_code, refreshed.json()["code"]) == (401, "password_changed")


def test_a_deleted_account_ends_all_tokens(anonymous: APIClient, user: User) -> None:
    """Given tokens of an account that is gone, the answer is 401."""
    tokens = _post(anonymous, "", username=user.username, password=PASSWORD).json()
    user.delete()
    assert _get_me(anonymous, tokens["access"]) == 401
    assert _post(anonymous, "refresh/", refresh=tokens["refresh"]).status_code == 401
