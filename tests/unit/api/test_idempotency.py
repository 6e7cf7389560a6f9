"""A creating request that is sent again gets its first answer again, and creates nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import encode_multipart
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient
from rest_framework.throttling import BaseThrottle

from api.chat import Turns
from pipelines.accounts.models import User
from pipelines.chat.models import Message
from pipelines.idempotency import services
from pipelines.idempotency.models import KeptAnswer
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel
from pipelines.knowledge.models import Document
from pipelines.mail.models import Email
from pipelines.webhooks.models import Delivery, Endpoint
from pipelines.webhooks.services import endpoint_create, endpoint_ping
from tests.factories import PASSWORD, CollectionFactory, StepFactory
from tests.unit.api.conftest import Rows

TURN = {"message": "Hello", "metadata": {"a": 1, "b": [2]}}
ADA = {"email": "ada@example.org", "password": PASSWORD}


def _post(client: APIClient, path: str, body: Any, key: str = "k-1") -> Any:
    return client.post(f"/api/v1/{path}", body, format="json", headers={"Idempotency-Key": key})


def _say(client: APIClient, key: str = "k-1", **body: Any) -> Any:
    return _post(client, "turns/", {**TURN, **body}, key)


def _upload(client: APIClient, collection: object, content: bytes, boundary: str = "x") -> Any:
    form = {"file": SimpleUploadedFile("a.txt", content), "collection": str(collection)}
    return client.post(
        "/api/v1/knowledge/documents/",
        encode_multipart(boundary, form),
        content_type=f"multipart/form-data; boundary={boundary}",
        headers={"Idempotency-Key": "k-1"},
    )


def _document(client: APIClient, user: User) -> Any:
    collection = user.collections.first() or CollectionFactory.create(owner=user)
    return _upload(client, collection.pk, b"A toll road.")


def _verification(client: APIClient, user: User) -> Any:
    user.email_verified_at = None
    return _post(client, "accounts/verify/", None)


def _endpoint(user: User) -> Endpoint:
    found = Endpoint.objects.filter(owner=user).first()
    return found or endpoint_create(owner=user, url="https://example.com/", events=["job.failed"])


def _replay(client: APIClient, user: User) -> Any:
    delivery = Delivery.objects.first()
    if delivery is None:
        delivery = endpoint_ping(endpoint=_endpoint(user))
        assert delivery.job is not None
        job_cancel(job_id=delivery.job.pk)
    return _post(client, f"webhooks/deliveries/{delivery.pk}/replay/", None)


def _run(client: APIClient, user: User) -> Any:
    user.is_staff = True
    headers = {"Idempotency-Key": "k-1"}
    return client.post("/api/admin/scheduler/trigger", {}, format="json", headers=headers)


CREATING: dict[str, Callable[[APIClient, User], Any]] = {
    "turns": lambda client, _: _say(client),
    "conversations": lambda client, _: _post(client, "conversations/", {"title": "One"}),
    "collections": lambda client, _: _post(client, "knowledge/collections/", {"name": "One"}),
    "documents": _document,
    "searches": lambda client, _: _post(client, "knowledge/search/", {"query": "toll"}),
    "reports": lambda client, _: _post(client, "reports/", {"title": "One", "content": "# One"}),
    "links": lambda client, _: _post(client, "accounts/sign-in-links/", {"email": "a@b.cd"}),
    "exports": lambda client, _: _post(client, "accounts/me/export/", None),
    "runs": _run,
    "resets": lambda client, _: _post(client, "accounts/password-resets/", {"email": "a@b.cd"}),
    "accounts": lambda client, _: _post(client, "accounts/", ADA),
    "verification": _verification,
    "batches": lambda client, _: _post(client, "batches/", {"turns": [TURN]}),
    "trials": lambda client, user: _post(
        client, f"webhooks/endpoints/{_endpoint(user).pk}/ping/", None
    ),
    "replays": _replay,
}


@pytest.mark.parametrize("create", CREATING.values(), ids=CREATING)
def test_the_same_again_creates_nothing_and_gets_the_first_answer(
    client: APIClient, user: User, rows: Rows, create: Callable[[APIClient, User], Any]
) -> None:
    """Given any creating route, the second request changes no table."""
    first = create(client, user)
    before = rows()

    again = create(client, user)

    assert first.status_code in {201, 202}
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again["Content-Type"] == first["Content-Type"]
    for name in ("Location", "Retry-After"):
        assert again.get(name) == first.get(name)
    assert rows() == before
    assert before["idempotency.KeptAnswer"] == 1


def test_the_first_answer_stays_when_the_job_has_moved_on(client: APIClient) -> None:
    """Given a job that has ended since, the answer is the first one, and its address the job's."""
    first = _say(client)
    client.post(f"/api/v1/jobs/{first.json()['id']}/cancel/")

    again = _say(client)

    assert (again.status_code, again.json()) == (202, first.json())
    assert client.get(again["Location"]).json()["state"] == "cancelled"


def test_without_a_key_each_request_creates(client: APIClient) -> None:
    """Given no key, nothing is kept."""
    for _ in range(2):
        assert client.post("/api/v1/turns/", TURN, format="json").status_code == 202
    assert (Job.objects.count(), KeptAnswer.objects.count()) == (2, 0)


def test_the_same_key_with_another_body_is_refused(client: APIClient, rows: Rows) -> None:
    """Given a used key, another body or another route gets 422, and nothing is written."""
    _say(client)
    before = rows()
    answers = [
        _say(client, message="Something else"),
        _say(client, metadata={"a": 2}),
        _post(client, "conversations/", {"title": "One"}),
    ]
    assert [answer.status_code for answer in answers] == [422] * 3
    assert {answer.json()["code"] for answer in answers} == {"idempotency_key_reused"}
    assert rows() == before


def test_layout_makes_no_other_body(client: APIClient) -> None:
    """Given the same names in another order and spacing, it is the same request."""
    first = _say(client)
    text = json.dumps(dict(reversed(TURN.items())), indent=3)
    again = client.post(
        "/api/v1/turns/",
        text,
        content_type="application/json",
        headers={"Idempotency-Key": "k-1"},
    )
    assert again.json() == first.json()


def test_a_form_is_known_by_its_fields_and_files(client: APIClient, user: User) -> None:
    """Given an upload, another boundary changes nothing; another content is another request."""
    collection = CollectionFactory.create(owner=user).pk
    first = _upload(client, collection, b"A toll road.")
    again = _upload(client, collection, b"A toll road.", boundary="another")
    other = _upload(client, collection, b"A free road.")
    assert again.json() == first.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert Job.objects.count() == 1
    assert bytes(Document.objects.get().content) == b"A toll road."


def test_a_quoted_key_is_the_bare_one(client: APIClient) -> None:
    """Given a key as a structured field's string, its quotes are no part of it."""
    assert _say(client, key='"k-1"').json() == _say(client, key="k-1").json()
    assert KeptAnswer.objects.get().key == "k-1"


@pytest.mark.parametrize("key", ["", '""', "a b", "a\tb", "café", "k" * 256, '"' + "k" * 256 + '"'])
def test_a_poor_key_is_refused(client: APIClient, rows: Rows, key: str) -> None:
    """Given a key that is empty, too long or not visible ASCII, the answer is 400."""
    before = rows()
    response = _say(client, key=key)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_idempotency_key")
    assert rows() == before


def test_a_key_is_as_long_as_the_setting_says(client: APIClient, settings: Settings) -> None:
    """Given the limit, a key of that length is taken, one more character is not."""
    assert _say(client, key="k" * 255).status_code == 202
    settings.IDEMPOTENCY_KEY_MAX_CHARACTERS = 3
    assert _say(client, key="k" * 3).status_code == 202
    assert _say(client, key='"kkk"').status_code == 202
    assert _say(client, key="k" * 4).status_code == 400


def test_a_refusal_is_not_kept(client: APIClient) -> None:
    """Given a request that was refused, its key is free for the mended one."""
    assert _say(client, message=" ").status_code == 422
    assert KeptAnswer.objects.count() == 0
    assert _say(client).status_code == 202


def test_the_answer_and_the_job_are_written_together(
    client: APIClient, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a mistake while the answer is kept, neither it nor the job is there."""

    def broken(**_: Any) -> None:
        raise RuntimeError

    before = rows()
    monkeypatch.setattr(services, "answer_keep", broken)
    assert _say(client).status_code == 500
    assert rows() == before


def test_an_expired_key_creates_again(client: APIClient) -> None:
    """Given an answer of more than a day ago, the request is a new one."""
    _say(client)
    KeptAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert "Idempotency-Replayed" not in _say(client, message="Something else")
    assert Job.objects.count() == 2


def test_a_key_is_its_senders_own(client: APIClient, stranger: APIClient) -> None:
    """Given the same key and body of two accounts, each has a job of its own."""
    mine, theirs = _say(client), _say(stranger)
    assert mine.json()["id"] != theirs.json()["id"]
    assert _say(stranger).json() == theirs.json()
    assert Job.objects.values("owner").distinct().count() == 2


def test_strangers_with_one_key_do_not_meet(anonymous: APIClient) -> None:
    """Given sign-ups with one key, each address gets its account, and one e-mail."""
    bob = {**ADA, "email": "bob@example.org"}
    answers = [_post(anonymous, "accounts/", body) for body in (ADA, bob, ADA, bob)]
    assert {answer.status_code for answer in answers} == {202}
    assert ["Idempotency-Replayed" in answer for answer in answers] == [False, False, True, True]
    assert sorted(Email.objects.values_list("to", flat=True)) == [ADA["email"], bob["email"]]


def test_a_kept_password_cannot_be_guessed_from_its_digest(anonymous: APIClient) -> None:
    """Given a sign-up, what is kept is no plain digest of anything that holds the password."""
    _post(anonymous, "accounts/", ADA)
    kept = KeptAnswer.objects.get()
    plain = json.dumps(["POST", "/api/v1/accounts/", ADA], sort_keys=True)
    assert kept.fingerprint != hashlib.sha256(plain.encode()).hexdigest()
    assert PASSWORD not in json.dumps([kept.headers, kept.body, kept.key])


def test_signing_in_keeps_nothing(anonymous: APIClient, user: User) -> None:
    """Given a sign-in with a key, no token is written down."""
    answer = _post(anonymous, "tokens/", {"email": user.email, "password": PASSWORD})
    assert (answer.status_code, KeptAnswer.objects.count()) == (200, 0)


class _Never(BaseThrottle):
    def allow_request(self, request: Any, view: Any) -> bool:
        return False


def test_a_replay_passes_the_throttles(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a throttle that lets nobody through, what was answered before is answered again."""
    first = _say(client)
    monkeypatch.setattr(Turns, "throttle_classes", [_Never])

    again, reused, fresh = _say(client), _say(client, message="Else"), _say(client, key="k-2")

    assert (again.status_code, again.json()) == (202, first.json())
    assert reused.status_code == 422
    assert (fresh.status_code, fresh.json()["code"]) == (429, "too_many_requests")
    assert Message.objects.count() == 1


def test_a_replay_passes_the_admission(client: APIClient, settings: Settings) -> None:
    """Given a backlog that refuses new turns, what was answered before is answered again."""
    first = _say(client)
    settings.BACKPRESSURE_SECONDS = 60
    StepFactory.create(queue="llm", ready_at=timezone.now() - timedelta(minutes=5))
    assert _say(client).json() == first.json()
    assert (_say(client, key="k-2").status_code, Job.objects.count()) == (503, 2)


def test_whoever_may_not_enter_learns_nothing(client: APIClient, anonymous: APIClient) -> None:
    """Given a key that somebody used, one without a credential gets 401 with it as without."""
    _say(client)
    assert _say(anonymous).status_code == 401


def test_the_description_names_the_header_wherever_something_is_created(
    anonymous: APIClient,
) -> None:
    """Given OpenAPI's description, each of our own POSTs that answers 201 or 202 takes the key."""
    paths = json.loads(anonymous.get("/api/schema/?format=json").content)["paths"]
    posts = {
        path: methods["post"]
        for path, methods in paths.items()
        if "post" in methods and not methods["post"]["tags"][0].startswith(("contract", "openai"))
    }
    creating = {path for path, post in posts.items() if {"201", "202"} & post["responses"].keys()}
    taking = {
        path
        for path, post in posts.items()
        if "Idempotency-Key" in [given["name"] for given in post.get("parameters", [])]
    }
    assert creating == taking
    # What shows a secret is told apart from what is repeated in tests of its own: a new API key,
    # a new endpoint, a new secret of one.
    assert len(creating) == len(CREATING) + 3


def test_a_page_of_another_origin_may_send_the_key(
    anonymous: APIClient, settings: Settings
) -> None:
    """Given an allowed origin, its browser may send the headers that turns take, and read ours."""
    settings.CORS_ALLOWED_ORIGINS = ["https://chat.example.org"]
    asked = anonymous.options(
        "/api/v1/turns/",
        headers={
            "Origin": "https://chat.example.org",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "idempotency-key, cancel-after",
        },
    )
    allowed = asked["Access-Control-Allow-Headers"].split(", ")
    assert {"idempotency-key", "cancel-after", "authorization"} <= {*allowed}
    answered = anonymous.get("/api/v1/turns/", headers={"Origin": "https://chat.example.org"})
    assert "Idempotency-Replayed" in answered["Access-Control-Expose-Headers"]
