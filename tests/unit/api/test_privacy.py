"""The routes of a person's own data: its export, and its end."""

from __future__ import annotations

from limits import parse
from pytest_django import Settings
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.api_keys.models import Scope
from pipelines.api_keys.services import api_key_create
from pipelines.jobs.models import Job
from tests.factories import PASSWORD, ArtifactFactory
from tests.unit.api.conftest import Rows

EXPORT = "/api/v1/accounts/me/export/"
ME = "/api/v1/accounts/me/"


def test_an_export_is_a_job_of_ones_own(client: APIClient, stranger: APIClient, user: User) -> None:
    ordered = client.post(EXPORT)
    assert (ordered.status_code, ordered.json()["kind"]) == (202, "privacy.export")
    job = Job.objects.get()
    assert job.owner == user
    ArtifactFactory.create(job=job, name="export.zip")
    file = f"{ordered['Location']}artifacts/export.zip/"
    own, foreign = client.get(file), stranger.get(file)
    own.close()
    assert (own.status_code, foreign.status_code) == (200, 404)
    again = client.post(EXPORT)
    assert (again.status_code, again.json()["code"]) == (409, "under_way")


def test_an_account_is_closed_at_once(anonymous: APIClient, user: User) -> None:
    name = {"username": user.username, "password": PASSWORD}
    tokens = anonymous.post("/api/v1/tokens/", name, format="json").json()
    shown = {"Authorization": f"Bearer {tokens['access']}"}
    closed = anonymous.delete(ME, {"password": PASSWORD}, format="json", headers=shown)
    assert closed.status_code == 202
    assert anonymous.get(ME, headers=shown).status_code == 401
    refresh = {"refresh": tokens["refresh"]}
    assert anonymous.post("/api/v1/tokens/refresh/", refresh, format="json").status_code == 401
    assert anonymous.post("/api/v1/tokens/", name, format="json").status_code == 401
    assert Job.objects.get().kind == "privacy.erasure"


def test_a_wrong_password_closes_nothing(client: APIClient, rows: Rows) -> None:
    before = rows()
    refused = client.delete(ME, {"password": "wrong"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (422, "wrong_password")
    assert rows() == before


def test_the_password_is_not_to_be_guessed(client: APIClient, settings: Settings) -> None:
    settings.THROTTLE_SIGN_IN = parse("2/hour")
    bodies = [{"password": word} for word in ("wrong", "wrong", PASSWORD)]
    answers = [client.delete(ME, body, format="json").status_code for body in bodies]
    assert answers == [422, 422, 429]


def test_no_key_may_do_either(user: User) -> None:
    _, text = api_key_create(owner=user, name="ci", scopes=list(Scope))
    program = APIClient()
    program.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    answers = [program.post(EXPORT), program.delete(ME, {"password": PASSWORD}, format="json")]
    assert [answer.json()["code"] for answer in answers] == ["wrong_scope"] * 2
