"""API keys: shown once, kept as a digest, good for what their scopes say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.api_keys.models import ApiKey, Scope
from pipelines.api_keys.services import api_key_create, sign_in_token_create
from pipelines.idempotency.models import KeptAnswer
from tests.unit.api.conftest import Rows

KEYS = "/api/v1/api-keys/"
NEW = "another quiet password"
JOBS = "/api/v1/jobs/"
TURNS = "/api/v1/turns/"


def program(text: str) -> APIClient:
    """A client that shows a key."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def with_scopes(owner: User, *scopes: Scope) -> tuple[ApiKey, APIClient]:
    key, text = api_key_create(owner=owner, name="ci", scopes=scopes)
    return key, program(text)


def test_a_key_is_shown_once(client: APIClient, user: User) -> None:
    made = client.post(KEYS, {"name": "ci", "scopes": ["write", "read"]}, format="json")

    assert made.status_code == 201
    body = made.json()
    assert body["key"].startswith("tpk_")
    assert body["prefix"] == body["key"][:12]
    assert body["scopes"] == ["read", "write"]
    assert body["retrieval"] is False
    [row] = client.get(KEYS).json()["data"]
    assert "key" not in row
    assert client.get(f"{KEYS}{body['id']}/").json() == row
    kept = ApiKey.objects.get(owner=user)
    assert body["key"] not in str(vars(kept))
    assert program(body["key"]).get(JOBS).status_code == 200


def test_a_key_is_not_kept_with_the_answer_that_showed_it(client: APIClient) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {"name": "ci", "scopes": ["read"]}

    first = client.post(KEYS, body, format="json", headers=headers)
    again = client.post(KEYS, body, format="json", headers=headers)

    assert first.json()["key"] is not None
    assert again.json() == {**first.json(), "key": None}
    assert first.json()["key"] not in str(vars(KeptAnswer.objects.get()))
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["read"]}, "name"),
        ({"name": "", "scopes": ["read"]}, "name"),
        ({"name": "x" * 101, "scopes": ["read"]}, "name"),
        ({"name": "ci"}, "scopes"),
        ({"name": "ci", "scopes": []}, "scopes"),
        ({"name": "ci", "scopes": ["root"]}, "scopes.0"),
        ({"name": "ci", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ],
)
def test_what_is_no_key_is_refused(
    client: APIClient, rows: Rows, body: dict[str, object], field: str
) -> None:
    before = rows()

    refused = client.post(KEYS, body, format="json")

    assert refused.status_code == 422
    assert [row["field"] for row in refused.json()["errors"]] == [field]
    assert rows() == before


def test_an_account_has_so_many_keys_and_no_more(client: APIClient, settings: Settings) -> None:
    settings.API_KEYS_MAX = 2
    body = {"name": "ci", "scopes": ["read"]}
    first = client.post(KEYS, body, format="json").json()
    assert client.post(KEYS, body, format="json").status_code == 201

    refused = client.post(KEYS, body, format="json")

    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_keys")
    assert client.delete(f"{KEYS}{first['id']}/").status_code == 204
    assert client.post(KEYS, body, format="json").status_code == 201


@pytest.mark.parametrize(
    ("scope", "looks", "acts"),
    [(Scope.READ, 200, 403), (Scope.WRITE, 403, 202), (Scope.OPENAI, 403, 403)],
)
def test_a_key_does_what_its_scope_says(user: User, scope: Scope, looks: int, acts: int) -> None:
    _, client = with_scopes(user, scope)

    looked = client.get(JOBS)
    acted = client.post(TURNS, {"message": "hello"}, format="json")

    assert (looked.status_code, acted.status_code) == (looks, acts)
    refused = looked if looks == 403 else acted
    assert refused.json()["code"] == "wrong_scope"


def test_no_key_makes_another(user: User) -> None:
    key, client = with_scopes(user, *Scope)

    answers = [
        client.get(KEYS),
        client.post(KEYS, {"name": "ci", "scopes": ["read"]}, format="json"),
        client.get(f"{KEYS}{key.pk}/"),
        client.delete(f"{KEYS}{key.pk}/"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert ApiKey.objects.filter(revoked_at=None).count() == 1


def test_a_key_of_staff_is_bound_by_its_scopes_everywhere(user: User) -> None:
    user.is_superuser = user.is_staff = True
    user.save()
    _, client = with_scopes(user, Scope.OPENAI)

    assert client.get("/api/v1/dead-letters/").json()["code"] == "wrong_scope"


@pytest.mark.parametrize("how", ["unknown", "revoked", "expired", "owner left"])
def test_a_key_that_is_not_good_is_refused(user: User, how: str) -> None:
    key, client = with_scopes(user, *Scope)
    match how:
        case "unknown":
            client = program("tpk_unknown")
        case "revoked":
            ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
        case "expired":
            ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
        case "owner left":
            User.objects.filter(pk=user.pk).update(is_active=False)

    refused = client.get(JOBS)

    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_api_key")
    assert refused["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_key_is_gone(client: APIClient, stranger: APIClient, user: User) -> None:
    key, its_client = with_scopes(user, Scope.READ)
    assert stranger.delete(f"{KEYS}{key.pk}/").status_code == 404

    assert client.delete(f"{KEYS}{key.pk}/").status_code == 204

    assert its_client.get(JOBS).status_code == 401
    assert client.get(KEYS).json()["data"] == []
    assert client.get(f"{KEYS}{key.pk}/").status_code == 404
    assert client.delete(f"{KEYS}{key.pk}/").status_code == 404


def test_the_last_use_is_noted_once_a_minute(user: User) -> None:
    key, client = with_scopes(user, Scope.READ)

    client.get(JOBS)
    key.refresh_from_db()
    assert key.last_used_at is not None
    first = key.last_used_at
    client.get(JOBS)
    key.refresh_from_db()
    assert key.last_used_at == first

    ApiKey.objects.filter(pk=key.pk).update(last_used_at=first - timedelta(minutes=2))
    client.get(JOBS)
    key.refresh_from_db()
    assert key.last_used_at > first


def test_a_bare_token_is_still_one(user: User) -> None:
    """Given something that is no key, it is left to whoever reads tokens."""
    refused = program("eyJhbGciOi").get(JOBS)

    assert (refused.status_code, refused.json()["code"]) == (401, "token_not_valid")


def test_the_oldest_sign_in_ends_when_there_are_too_many(user: User, settings: Settings) -> None:
    settings.SIGN_IN_TOKENS_MAX, settings.API_KEYS_MAX = 2, 1
    texts = [sign_in_token_create(owner=user)[1] for _ in range(3)]
    api_key_create(owner=user, name="ci", scopes=[Scope.READ])  # counted by itself
    assert [program(text).get(JOBS).status_code for text in texts] == [401, 200, 200]


def test_a_sign_in_lasts_for_a_while(user: User, settings: Settings) -> None:
    settings.SIGN_IN_TOKEN_DAYS = 3
    key, _ = sign_in_token_create(owner=user)
    assert key.expires_at is not None
    assert timedelta(days=2, hours=23) < key.expires_at - timezone.now() <= timedelta(days=3)


def test_a_password_that_staff_set_ends_the_sign_ins_too(user: User) -> None:
    keys = {"sign-in": sign_in_token_create(owner=user)[1]}
    keys["ci"] = api_key_create(owner=user, name="ci", scopes=[Scope.READ])[1]
    form = AdminPasswordChangeForm(user, {"password1": NEW, "password2": NEW})
    assert form.is_valid()
    form.save()
    answers = {name: program(text).get(JOBS).status_code for name, text in keys.items()}
    assert answers == {"sign-in": 401, "ci": 200}


@pytest.mark.parametrize("scheme", ["Token", "token", "Bearer"])
def test_a_key_is_shown_under_either_scheme(user: User, scheme: str) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"{scheme} {sign_in_token_create(owner=user)[1]}")
    assert client.get(JOBS).status_code == 200
    client.credentials(HTTP_AUTHORIZATION="Token nonsense")
    assert client.get(JOBS).status_code == 401
