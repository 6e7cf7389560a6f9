"""Throttles at their edges: what is counted, for whom, and what the answer says of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from limits import parse
from pytest_django import Settings
from rest_framework.test import APIClient

from api import throttles
from api.accounts import Accounts, SignInLinks
from api.counters import Counters, _room
from api.throttles import TooManyRequests, throttled
from pipelines.accounts.models import User
from pipelines.api_keys.models import Scope
from pipelines.api_keys.services import api_key_create
from pipelines.core.processes import PerProcess
from tests.factories import PASSWORD
from tests.unit.api.conftest import Rows

PLACE = "/api/v1/jobs/"


@pytest.fixture(autouse=True)
def own_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counters that no other test has used; there is no Redis, so they are this process's."""
    monkeypatch.setattr(throttles, "counters", PerProcess(Counters))


def _signs_in(name: str, password: str = PASSWORD, **options: Any) -> Any:
    body = {"username": name, "password": password}
    return APIClient().post("/api/v1/tokens/", body, format="json", **options)


def test_the_answer_says_what_is_left(client: APIClient, settings: Settings) -> None:
    settings.THROTTLE_USER = parse("3/minute")

    answers = [client.get(PLACE) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"user";q=3;w=60'}
    left = [re.fullmatch(r'"user";r=(\d);t=(\d+)', answer["RateLimit"]) for answer in answers]
    assert [match and match[1] for match in left] == ["2", "1", "0"]
    assert all(match and 0 < int(match[2]) <= 60 for match in left)


def test_one_too_many_is_refused_and_does_nothing(
    client: APIClient, stranger: APIClient, settings: Settings, rows: Rows
) -> None:
    settings.THROTTLE_USER = parse("1/hour")
    body = {"title": "One"}
    assert client.post("/api/v1/conversations/", body, format="json").status_code == 201
    before = rows()

    refused = client.post("/api/v1/conversations/", body, format="json")

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert refused["Content-Type"] == "application/problem+json"
    assert 0 < int(refused["Retry-After"]) <= 3_600
    assert refused["RateLimit"].startswith('"user";r=0;t=')
    assert rows() == before
    assert stranger.get(PLACE).status_code == 200


def test_there_is_room_again_when_the_time_is_over(client: APIClient, settings: Settings) -> None:
    settings.THROTTLE_USER = parse("2/second")
    statuses = [client.get(PLACE).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]

    waited = 0
    while client.get(PLACE).status_code == 429:
        waited += 1

    assert waited > 0


def test_whoever_has_not_signed_in_is_counted_by_address(db: None, settings: Settings) -> None:
    settings.THROTTLE_ADDRESS = parse("1/hour")
    settings.TRUSTED_PROXIES = 1

    def asks(address: str) -> int:
        headers = {"X-Forwarded-For": address}
        return APIClient().post("/api/v1/tokens/refresh/", {}, headers=headers).status_code

    assert [asks(address) for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")] == [
        415,
        429,
        415,
    ]
    assert [asks(address) for address in ("2001:db8::1", "2001:db8::2")] == [415, 429]


def test_what_is_off_is_not_counted(client: APIClient) -> None:
    answer = client.get(PLACE)

    assert answer.status_code == 200
    assert not {"RateLimit", "RateLimit-Policy"} & set(answer.headers)


@pytest.mark.parametrize("setting", ["THROTTLE_SIGN_IN", "THROTTLE_SIGN_IN_NAME"])
def test_passwords_are_counted_on_every_face(user: User, settings: Settings, setting: str) -> None:
    setattr(settings, setting, parse("2/hour"))
    assert _signs_in(user.username).status_code == 200
    assert _signs_in(user.username.upper(), "wrong").status_code == 401

    refused = _signs_in(user.username)
    page = Client().post("/admin/login/", {"username": user.username, "password": PASSWORD})

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert page.status_code == 429
    assert 0 < int(page["Retry-After"]) <= 3_600
    assert "Too Many Requests" in page.content.decode()
    assert refused["RateLimit"].startswith('"sign-in')


def test_the_name_counts_from_every_address(user: User, settings: Settings, rows: Rows) -> None:
    settings.THROTTLE_SIGN_IN = settings.THROTTLE_SIGN_IN_NAME = parse("1/hour")
    settings.TRUSTED_PROXIES = 1
    assert _signs_in(user.username, headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 200

    elsewhere = _signs_in(user.username, headers={"X-Forwarded-For": "192.0.2.2"})
    another = _signs_in("nobody", headers={"X-Forwarded-For": "192.0.2.3"})

    assert (elsewhere.status_code, another.status_code) == (429, 401)


def test_a_view_names_its_own(
    anonymous: APIClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.THROTTLE_REGISTER = settings.THROTTLE_MAIL = parse("1/hour")
    monkeypatch.setattr(Accounts, "throttles", ("register",), raising=False)
    monkeypatch.setattr(SignInLinks, "throttles", ("mail",), raising=False)

    def registers(email: str) -> int:
        body = {"email": email, "password": PASSWORD}
        return anonymous.post("/api/v1/accounts/", body, format="json").status_code

    def orders(email: str) -> int:
        place = "/api/v1/accounts/sign-in-links/"
        return anonymous.post(place, {"email": email}, format="json").status_code

    assert [registers("ada@example.org"), registers("bob@example.org")] == [202, 429]
    assert [orders("ada@example.org"), orders("ADA@example.org")] == [202, 429]
    assert [orders("nobody@example.org"), orders("nobody@example.org")] == [202, 429]
    assert anonymous.options("/api/v1/accounts/").status_code == 200


def test_a_page_is_counted_by_its_decorator(settings: Settings) -> None:
    settings.THROTTLE_MAIL = parse("1/hour")

    @throttled("mail")
    def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse("done")

    def sends(method: str) -> HttpResponse:
        request = getattr(RequestFactory(), method)("/", {"email": "ada@example.org"})
        request.user = User()
        request.user.pk = None
        return view(request)

    for method in ("post", "get", "get"):
        assert sends(method).content == b"done"
    with pytest.raises(TooManyRequests):
        sends("post")


def test_a_kept_answer_is_handed_out_and_not_counted(client: APIClient, settings: Settings) -> None:
    settings.THROTTLE_USER = parse("1/hour")

    def creates() -> Any:
        body = {"message": "Hello"}
        headers = {"Idempotency-Key": "k1"}
        return client.post("/api/v1/turns/", body, format="json", headers=headers)

    first, again = creates(), creates()

    assert (first.status_code, again.status_code) == (202, 202)
    assert again["Idempotency-Replayed"] == "true"
    assert "RateLimit" in first.headers
    assert "RateLimit" not in again.headers
    assert client.get(PLACE).status_code == 429


def test_openai_s_package_is_told_in_its_own_form(user: User, settings: Settings) -> None:
    settings.THROTTLE_USER = parse("1/hour")
    _, text = api_key_create(owner=user, name="sdk", scopes=[Scope.OPENAI])
    headers = {"Authorization": f"Bearer {text}"}
    assert Client().get("/v1/models", headers=headers).status_code == 200

    refused = Client().get("/v1/models", headers=headers)

    assert refused.status_code == 429
    error = json.loads(refused.content)["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "too_many_requests")
    assert 0 < int(refused["Retry-After"]) <= 3_600


@pytest.mark.parametrize(
    ("window", "is_within", "room"),
    [
        ((0, 0.0, 1, 7200.0), True, (9, 3600.0)),
        ((0, 0.0, 1, 7199.5), True, (9, 3599.5)),
        ((0, 0.0, 10, 5400.0), False, (0, 1800.0)),
        ((10, 1800.0, 4, 5400.0), True, (1, 0.0)),
        ((10, 1799.0, 4, 5399.0), True, (2, 359.0)),
        ((10, 1800.0, 5, 5400.0), False, (0, 0.0)),
        ((10, 2000.0, 5, 5600.0), False, (0, 200.0)),
    ],
)
def test_how_much_room_there_is_and_when_there_is_more(
    window: tuple[int, float, int, float], is_within: bool, room: tuple[int, float]
) -> None:
    assert _room(parse("10/hour"), is_within, *window) == room
