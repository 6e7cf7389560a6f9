"""Health: alive without a database, ready only with every part."""

from __future__ import annotations

import threading

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from kombu.exceptions import OperationalError

from pipelines.core import dispatch
from pipelines.jobs.models import Node


def test_alive_asks_nobody() -> None:
    """Given no database at all, the process says that it answers."""
    response = Client().get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_ready_with_every_part() -> None:
    """Given workers for every queue and a relay, the answer is 200."""
    now = timezone.now()
    queues = list(settings.QUEUES)
    Node.objects.create(name="worker@a", role="worker", queues=queues, pid=1, seen_at=now)
    Node.objects.create(name="relay@a", role="relay", pid=2, seen_at=now)
    response = Client().get("/readyz")
    names = ["database", "broker", *(f"queue:{name}" for name in queues), "relay"]
    assert response.json() == {
        "ready": True,
        "checks": [{"name": name, "ok": True, "detail": ""} for name in names],
    }
    assert response.status_code == 200


@pytest.mark.django_db
def test_not_ready_says_what_is_missing() -> None:
    """Given no worker and no relay, the answer is 503 and names each with its remedy."""
    response = Client().get("/readyz")
    missing = {check["name"] for check in response.json()["checks"] if not check["ok"]}
    assert (response.status_code, response.json()["ready"]) == (503, False)
    assert missing == {"relay", *(f"queue:{name}" for name in settings.QUEUES)}
    assert all(check["detail"] for check in response.json()["checks"] if not check["ok"])


@pytest.mark.django_db
def test_details_carry_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a broker whose error names its address, the credentials in it stay inside."""

    def refuse(_: object) -> None:
        raise OperationalError("cannot reach redis://:hunter2@broker:6379/0")

    monkeypatch.setattr(dispatch, "queue_depths", refuse)
    body = Client().get("/readyz").content.decode()
    assert "hunter2" not in body
    assert "broker:6379" in body


@pytest.mark.django_db
def test_a_frozen_broker_holds_up_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a broker that never answers, each request says so in time; one thread asks for all."""
    asked = []
    thaw = threading.Event()

    def freeze(queues: list[str]) -> None:
        asked.append(queues)
        thaw.wait(60)

    monkeypatch.setattr(dispatch, "queue_depths", freeze)
    monkeypatch.setattr(settings, "BROKER_PATIENCE", 0.1)
    try:
        answers = [Client().get("/readyz") for _ in range(3)]
    finally:
        thaw.set()

    assert [answer.status_code for answer in answers] == [503] * 3
    broker = {"name": "broker", "ok": False, "detail": "The broker does not answer within 0.1 s."}
    assert all(broker in answer.json()["checks"] for answer in answers)
    assert asked == [["default"]]
