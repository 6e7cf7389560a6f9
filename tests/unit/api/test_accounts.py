"""Accounts: registering tells nobody who is registered, and verifies by a link."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from rest_framework.test import APIClient

from api.accounts import REGISTERED, WRITTEN_TO
from pipelines.accounts.models import User
from pipelines.api_keys.models import Scope
from pipelines.api_keys.services import api_key_create, sign_in_token_create
from pipelines.jobs.models import Job
from pipelines.letters.services import letter_write
from pipelines.mail.models import Email
from tests.factories import PASSWORD, UserFactory
from tests.unit.api.conftest import Rows

ADA = {"email": "ada@example.org", "password": PASSWORD}


def _register(client: APIClient, **fields: Any) -> Any:
    return client.post("/api/v1/accounts/", {**ADA, **fields}, format="json")


def _link(email: Email) -> str:
    (link,) = [line for line in email.text.splitlines() if line.startswith("http")]
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


def test_a_new_account_gets_a_link_by_a_job(anonymous: APIClient) -> None:
    """Given a new address, the account, its job and its e-mail are written."""
    response = _register(anonymous, first_name="Ada", company_name="Engines", job_title="Analyst")
    assert (response.status_code, response.json()) == (202, {"detail": REGISTERED})
    user, email, job = User.objects.get(), Email.objects.get(), Job.objects.get()
    assert (user.username, user.email, user.first_name) == (ADA["email"], ADA["email"], "Ada")
    assert (user.company_name, user.job_title) == ("Engines", "Analyst")
    assert user.check_password(PASSWORD)
    assert not user.email_verified
    assert (job.kind, job.owner, email.job) == ("mail.message", user, job)
    assert (email.to, email.state) == (ADA["email"], "queued")


def test_a_known_address_gets_the_same_answer(anonymous: APIClient) -> None:
    """Given a known address in another case, the answer and the rows written are the same."""
    _register(anonymous)
    first = User.objects.get()
    response = _register(anonymous, email="ADA@example.org", password="another " + PASSWORD)
    assert (response.status_code, response.json()) == (202, {"detail": REGISTERED})
    assert User.objects.get().password == first.password
    newest = Email.objects.latest("id")
    assert (Email.objects.count(), Job.objects.count()) == (2, 2)
    assert (newest.to, newest.owner) == (ADA["email"], first)
    assert "http" not in newest.text


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("email", "nonsense", "invalid"),
        ("email", "x" * 150 + "@example.org", "max_length"),
        ("password", "12345678901", "password_too_common"),
        ("password", "ada@example.org", "password_too_similar"),
        ("password", "short", "password_too_short"),
        ("password", 7, "invalid"),
        ("first_name", "x" * 151, "max_length"),
    ],
)
def test_a_poor_registration_writes_nothing(
    anonymous: APIClient, rows: Rows, field: str, value: Any, code: str
) -> None:
    """Given a value that cannot be accepted, the field and the reason are named."""
    before = rows()
    response = _register(anonymous, **{field: value})
    assert response.status_code == 422
    named = [(error["field"], error["code"]) for error in response.json()["errors"]]
    assert (field, code) in named
    assert {name for name, _ in named} == {field}
    assert rows() == before


def test_the_link_verifies_once(anonymous: APIClient) -> None:
    """Given the link of the e-mail, it works once, and a changed one never."""
    _register(anonymous)
    link = _link(Email.objects.get())
    broken = anonymous.get(link[:-3] + "xyz")
    assert (broken.status_code, broken.json()["code"]) == (422, "invalid_link")
    assert not User.objects.get().email_verified
    assert anonymous.get(link).json() == {"detail": "This e-mail address is verified."}
    assert User.objects.get().email_verified
    again = anonymous.get(link)
    assert (again.status_code, again.json()["code"]) == (422, "invalid_link")
    assert anonymous.get("/api/v1/accounts/verify/").status_code == 422


def test_another_link_can_be_asked_for(client: APIClient, user: User) -> None:
    """Given an address that is not verified, a link is sent; to a verified one none."""
    assert client.post("/api/v1/accounts/verify/").status_code == 202
    assert Email.objects.count() == 0
    User.objects.update(email_verified_at=None)
    user.refresh_from_db()
    assert client.post("/api/v1/accounts/verify/").status_code == 202
    assert client.get(_link(Email.objects.get())).status_code == 200


def test_a_link_cannot_be_asked_for_by_nobody(anonymous: APIClient, rows: Rows) -> None:
    """Given no credential, no link is sent."""
    before = rows()
    assert anonymous.post("/api/v1/accounts/verify/").status_code == 401
    assert rows() == before


def test_the_own_account_is_read_and_changed(client: APIClient, user: User) -> None:
    """Given changes to what may be changed, the account shows them; the rest is left alone."""
    changes = {
        "bio": "Counts.",
        "preferences": {"provider": "sandbox", "model": "m", "theme": "dark"},
        "industry": "Looms",
        "email": "other@example.org",
        "email_verified": False,
        "is_staff": True,
    }
    response = client.patch("/api/v1/accounts/me/", changes, format="json")
    assert response.json() == client.get("/api/v1/accounts/me/").json()
    assert response.json() == {
        "first_name": "",
        "last_name": "",
        "company_name": "",
        "company_size": "",
        "industry": "Looms",
        "job_title": "",
        "bio": "Counts.",
        "preferences": {"provider": "sandbox", "model": "m", "theme": "dark"},
        "id": str(user.pk),
        "username": user.username,
        "email": user.email,
        "email_verified": True,
        "date_joined": user.date_joined.isoformat().replace("+00:00", "Z"),
    }
    user.refresh_from_db()
    assert not user.is_staff


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"bio": "x" * 501}, "bio", "max_length"),
        ({"preferences": {"provider": "nobody"}}, "preferences", "provider"),
        ({"preferences": {"provider": ["sandbox"]}}, "preferences", "provider"),
        ({"preferences": {"model": 7}}, "preferences", "model"),
        ({"preferences": ["sandbox"]}, "preferences", "not_a_dict"),
        ({"preferences": {"x": "y" * 16_384}}, "preferences", "too_large"),
    ],
)
def test_a_poor_change_changes_nothing(
    client: APIClient, user: User, changes: dict[str, Any], field: str, code: str
) -> None:
    """Given a value that cannot be accepted beside one that can, neither is written."""
    response = client.patch("/api/v1/accounts/me/", {"industry": "Looms", **changes}, format="json")
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert (error["field"], error["code"]) == (field, code)
    before = user.date_modified
    user.refresh_from_db()
    assert (user.industry, user.bio, user.preferences) == ("", "", {})
    assert user.date_modified == before


def test_a_verification_link_is_not_shown_to_the_account(anonymous: APIClient) -> None:
    """Given an account of an address that may be another's, its e-mails show no text."""
    _register(anonymous)
    anonymous.force_authenticate(User.objects.get())
    body = anonymous.get("/api/v1/emails/")
    assert body.json()["data"][0]["subject"] == "Please verify your e-mail address"
    assert b"token" not in body.content


def test_an_address_is_taken_by_a_name(anonymous: APIClient, rows: Rows) -> None:
    """Given somebody whose username is the address, nothing is written, the answer is the same."""
    UserFactory.create(username=ADA["email"], email="other@example.org")
    before = rows()
    assert _register(anonymous).json() == {"detail": REGISTERED}
    assert rows() == before


def _token(email: Email) -> str:
    return parse_qs(urlsplit(_link(email)).query)["token"][0]


def _ordered(client: APIClient, path: str, letter: str, email: str) -> Email:
    """Ask for a letter, and have the job that was ordered write it."""
    asked = client.post(f"/api/v1/accounts/{path}/", {"email": email}, format="json")
    assert (asked.status_code, asked.json()) == (202, {"detail": WRITTEN_TO})
    job = Job.objects.get(kind="letters.letter")
    assert job.input == {"letter": letter, "email": email}
    made = letter_write(job=job)
    assert made is not None
    return made


def test_a_link_signs_in_once(anonymous: APIClient, user: User) -> None:
    """Given the link that was sent, it gives tokens once."""
    token = _token(_ordered(anonymous, "sign-in-links", "sign_in", user.email))
    first = anonymous.post("/api/v1/tokens/by-link/", {"token": token}, format="json")
    assert sorted(first.json()) == ["access", "refresh"]
    again = anonymous.post("/api/v1/tokens/by-link/", {"token": token}, format="json")
    assert (again.status_code, again.json()["code"]) == (422, "invalid_link")
    shown = {"Authorization": f"Bearer {first.json()['access']}"}
    assert anonymous.get("/api/v1/accounts/me/", headers=shown).status_code == 200


def test_a_forgotten_password_is_chosen_anew(anonymous: APIClient, user: User) -> None:
    """Given the link that was sent, a good password is taken once; what was before is void."""
    _, before = sign_in_token_create(owner=user)
    _, program = api_key_create(owner=user, name="ci", scopes=[Scope.READ])
    token = _token(_ordered(anonymous, "password-resets", "reset", user.email))
    path = "/api/v1/accounts/password-resets/confirm/"
    poor = anonymous.post(path, {"token": token, "password": "short"}, format="json")
    assert (poor.status_code, poor.json()["errors"][0]["field"]) == (422, "password")
    body = {"token": token, "password": "another quiet password"}
    assert anonymous.post(path, body, format="json").status_code == 200
    assert anonymous.post(path, body, format="json").json()["code"] == "invalid_link"
    user.refresh_from_db()
    assert user.check_password("another quiet password")
    codes = {
        text: anonymous.get("/api/v1/jobs/", headers={"Authorization": f"Token {text}"}).status_code
        for text in (before, program)
    }
    assert codes == {before: 401, program: 200}


@pytest.mark.parametrize("path", ["sign-in-links", "password-resets"])
def test_an_unknown_address_is_told_the_same(anonymous: APIClient, path: str) -> None:
    """Given an address without an account, the answer and the rows written are the same."""
    asked = anonymous.post(f"/api/v1/accounts/{path}/", {"email": "no@example.org"}, format="json")
    assert (asked.status_code, asked.json()) == (202, {"detail": WRITTEN_TO})
    job = Job.objects.get()
    assert letter_write(job=job) is None
    poor = anonymous.post(f"/api/v1/accounts/{path}/", {"email": "nonsense"}, format="json")
    assert poor.status_code == 422


def test_the_own_password_is_changed(anonymous: APIClient, user: User) -> None:
    """Given the old one, a good new one is taken; tokens of before are void."""
    tokens = anonymous.post(
        "/api/v1/tokens/", {"username": user.username, "password": PASSWORD}, format="json"
    ).json()
    shown = {"Authorization": f"Bearer {tokens['access']}"}
    path = "/api/v1/accounts/me/password/"

    def change(old: str, new: str) -> Any:
        body = {"old_password": old, "new_password": new}
        return anonymous.put(path, body, format="json", headers=shown)

    assert change("wrong", "another quiet password").json()["code"] == "wrong_password"
    assert change(PASSWORD, "short").json()["errors"][0]["field"] == "new_password"
    assert change(PASSWORD, "another quiet password").status_code == 200
    assert anonymous.get("/api/v1/accounts/me/", headers=shown).status_code == 401
    refreshed = anonymous.post(
        "/api/v1/tokens/refresh/", {"refresh": tokens["refresh"]}, format="json"
    )
    assert refreshed.status_code == 401


def test_no_key_changes_a_password(anonymous: APIClient, user: User) -> None:
    """Given an API key with every scope, the password stays."""
    _, text = api_key_create(owner=user, name="ci", scopes=list(Scope))
    body = {"old_password": PASSWORD, "new_password": "another quiet password"}
    answer = anonymous.put(
        "/api/v1/accounts/me/password/",
        body,
        format="json",
        headers={"Authorization": f"Bearer {text}"},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_scope")
