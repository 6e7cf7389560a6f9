"""Tokens: signing in by either name, refreshing once, revoking."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

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
    assert rows() == {**before, "axes.AccessAttempt": 1}


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
    """Given a refresh token that was revoked, it and every access token of its sign-in end."""
    first = _post(anonymous, "", username=user.username, password=PASSWORD).json()
    other = _post(anonymous, "", username=user.username, password=PASSWORD).json()
    second = _post(anonymous, "refresh/", refresh=first["refresh"]).json()
    refresh = second["refresh"]
    assert _post(anonymous, "revoke/", refresh=refresh).status_code == 204
    answers = [_get_me(anonymous, pair["access"]) for pair in (first, second, other)]
    assert answers == [401, 401, 200]
    assert _post(anonymous, "refresh/", refresh=refresh).status_code == 401
    assert _post(anonymous, "revoke/", refresh=refresh).status_code == 401
    assert _post(anonymous, "revoke/", refresh="nonsense").status_code == 401


@pytest.mark.parametrize("path", ["/api/accounts/logout/", "/api/v1/accounts/logout/"])
def test_signing_out_by_a_contract_ends_the_pair(
    anonymous: APIClient, user: User, path: str
) -> None:
    """Given an access token at a contract's sign-out, it and the refresh token are void."""
    pair = _post(anonymous, "", username=user.username, password=PASSWORD).json()
    answer = anonymous.post(path, HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert answer.status_code == 200
    assert _get_me(anonymous, pair["access"]) == 401
    assert _post(anonymous, "refresh/", refresh=pair["refresh"]).status_code == 401


def test_what_is_kept_of_an_ended_sign_in_goes_with_its_last_token(
    anonymous: APIClient, user: User
) -> None:
    """Given sign-ins that ended before, those without a token that lives are forgotten."""
    now = time.time()
    User.objects.update(ended_sign_ins={"long ago": now - 1, "just now": now + 60})
    pair = _post(anonymous, "", username=user.username, password=PASSWORD).json()
    assert _post(anonymous, "revoke/", refresh=pair["refresh"]).status_code == 204
    user.refresh_from_db()
    claims = RefreshToken(pair["refresh"], verify=False).payload
    assert sorted(user.ended_sign_ins) == sorted(["just now", claims["sign_in"]])
    assert user.ended_sign_ins[claims["sign_in"]] >= claims["exp"]


def test_a_token_of_the_version_before_can_be_revoked(anonymous: APIClient, user: User) -> None:
    """Given a refresh token that names no sign-in, it is exchanged and made void as others are."""
    old = str(RefreshToken.for_user(user))
    pair = _post(anonymous, "refresh/", refresh=old).json()
    assert _get_me(anonymous, pair["access"]) == 200
    older = RefreshToken.for_user(user)
    assert _post(anonymous, "revoke/", refresh=str(older)).status_code == 204
    assert _post(anonymous, "refresh/", refresh=str(older)).status_code == 401


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_token_of_anybody_elses_making_is_none(
    anonymous: APIClient, user: User, settings: Settings
) -> None:
    """Given another key, another algorithm, no signature or another kind, the answer is 401."""
    claims = AccessToken.for_user(user).payload
    key = settings.SECRET_KEY
    assert _get_me(anonymous, TokenBackend("HS256", key).encode(claims)) == 200

    head, body = (_base64(part) for part in ({"alg": "none", "typ": "JWT"}, claims))
    for forged in (
        TokenBackend("HS256", "k" * 64).encode(claims),
        TokenBackend("HS512", key).encode(claims),
        f"{head}.{body}.",
        str(RefreshToken.for_user(user)),
    ):
        assert _get_me(anonymous, forged) == 401


def _base64(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


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
