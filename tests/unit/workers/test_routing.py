"""Which provider answers a turn, and what becomes of one that has to wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import Ignore
from django.utils import timezone

from pipelines.accounts.models import User
from pipelines.chat import pipeline
from pipelines.chat.models import Message
from pipelines.chat.services import turn_accept
from pipelines.core.errors import ProviderRefused, RateLimited
from pipelines.jobs.models import Job, JobStep
from project.settings.providers import ProviderSettings
from tests.unit.workers.fake_model import FakeModel
from workers import chat, configured
from workers.base import execute
from workers.engines.governor import Account, Permit, Request, Slot, Wait
from workers.engines.llm import Delta, Finished, Started, Usage

NAMES = ("first", "second", "third")
OPEN = Wait("circuit_open", 20.0)


class Porter:
    """A `Governor` that answers each provider as a test says; its own permit, too."""

    def __init__(self) -> None:
        self.waits: dict[str, Wait] = {}
        self.requests: list[tuple[str, Request]] = []
        self.left: list[tuple[str, float]] = []

    def enter(self, account: Account, request: Request) -> Permit | Wait:
        """Let it through, or not."""
        self.requests.append((account.name, request))
        return self.waits.get(account.name, self)

    def keep(self) -> None:
        """Nothing runs out."""

    def leave(self, outcome: str, *, requests: int = 1, tokens: int, pause: float = 0) -> None:
        """Note it."""
        self.left.append((outcome, pause))

    def asked(self) -> list[str]:
        """Name the providers that were asked for, in their order."""
        return [name for name, _ in self.requests]


@pytest.fixture
def porter(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Porter:
    porter = Porter()
    settings.PROVIDERS = {
        name: ProviderSettings(name, "responses", f"http://{name}/v1", "k", f"{name}-1")
        for name in NAMES
    }
    settings.DEFAULT_PROVIDER = "first"
    configured.account.cache_clear()
    monkeypatch.setattr(configured, "governor", lambda: porter)
    return porter


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, porter: Porter) -> Mapping[str, FakeModel]:
    models = {
        name: FakeModel(
            [
                Started(f"r-{name}", f"{name}-1"),
                Delta(name, 4),
                Finished(Usage(1, 1), "stop", f"{name}-1"),
            ]
        )
        for name in NAMES
    }
    monkeypatch.setattr(configured, "language_model", models.__getitem__)
    return models


def _turn(**named: Any) -> Job:
    return turn_accept(owner=User.objects.create(username="ada"), message="hello", **named).job


def _attempt(job: Job) -> JobStep:
    steps = JobStep.objects.filter(job=job, name="chat.generate")
    steps.update(ready_at=job.created_at)
    execute(pipeline.GENERATE, chat.generate, job.pk, 1, "w", "t")
    return steps.get()


def _put_off(job: Job) -> JobStep:
    with pytest.raises(Ignore):
        _attempt(job)
    return JobStep.objects.get(job=job, name="chat.generate")


pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("models")]


def test_the_turns_own_provider_is_asked_first(porter: Porter) -> None:
    step = _attempt(_turn())

    assert porter.asked() == ["first"]
    assert (step.output or {})["provider"] == "first"


def test_the_next_one_answers_while_the_first_is_let_be(
    porter: Porter, models: Mapping[str, FakeModel]
) -> None:
    porter.waits = {"first": OPEN, "second": OPEN}
    job = _turn()
    Job.objects.filter(pk=job.pk).update(input={**job.input, "model": "first-large"})

    step = _attempt(job)

    assert porter.asked() == ["first", "second", "third"]
    output = step.output or {}
    assert (output["provider"], output["model"]) == ("third", "third-1")
    # Its own default model: it does not know the other's.
    assert models["third"].asked[0][0].model == ""


def test_the_reply_names_who_answered(porter: Porter) -> None:
    porter.waits = {"first": OPEN}
    job = _turn()
    _attempt(job)

    execute(pipeline.FINISH, chat.finish, job.pk, 1, "w", "t")

    reply = Message.objects.get(role="assistant")
    assert (reply.provider, reply.model) == ("second", "second-1")


def test_an_answer_of_an_older_worker_names_no_provider() -> None:
    job = _turn()
    step = _attempt(job)
    old = {name: value for name, value in (step.output or {}).items() if name != "provider"}
    JobStep.objects.filter(pk=step.pk).update(output=old)

    execute(pipeline.FINISH, chat.finish, job.pk, 1, "w", "t")

    assert Message.objects.get(role="assistant").provider == "first"


@pytest.mark.parametrize(
    ("named", "failover"),
    [({"provider": "first"}, True), ({"model": "first-large"}, True), ({}, False)],
)
def test_whoever_is_pinned_waits(
    porter: Porter, settings: Any, named: dict[str, str], failover: bool
) -> None:
    settings.PROVIDER_FAILOVER = failover
    porter.waits = {"first": OPEN}

    step = _put_off(_turn(**named))

    assert porter.asked() == ["first"]
    assert step.error_code == "circuit_open"


def test_a_turn_of_before_the_failover_counts_as_pinned(porter: Porter) -> None:
    porter.waits = {"first": OPEN}
    job = _turn()
    del job.input["pinned"]
    job.save(update_fields=["input"])

    assert _put_off(job).error_code == "circuit_open"
    assert porter.asked() == ["first"]


def test_when_none_is_left_the_turn_waits_for_the_earliest(porter: Porter) -> None:
    porter.waits = {
        "first": Wait("circuit_open", 90.0),
        "second": Wait("circuit_open", 30.0),
        "third": Wait("circuit_open", 60.0),
    }
    before = timezone.now()

    step = _put_off(_turn())

    assert step.ready_at is not None
    assert timedelta(seconds=30) <= step.ready_at - before < timedelta(seconds=60)
    assert "second" in step.error_detail


@pytest.mark.parametrize("code", ["rate_limited", "at_capacity"])
def test_a_turn_that_must_wait_says_why_and_until_when_and_uses_up_no_attempt(
    porter: Porter, code: Any
) -> None:
    porter.waits = {"first": Wait(code, 40.0, Slot("first", 1234.5))}
    job = _turn()

    step = [_put_off(job) for _ in range(20)][-1]

    assert (step.state, step.attempt - step.forgiven) == ("queued", 0)
    assert step.ready_at is not None
    until = step.ready_at.isoformat(timespec="seconds")
    assert step.reason == f"{code} until {until}"
    # Being busy is no failure: nobody else is asked.
    assert set(porter.asked()) == {"first"}
    assert porter.left == []


def test_a_reserved_moment_is_shown_once_by_the_very_next_attempt(porter: Porter) -> None:
    porter.waits = {"first": Wait("rate_limited", 40.0, Slot("first", 1234.5))}
    job = _turn()
    _put_off(job)
    porter.waits = {}

    step = _attempt(job)

    slots = [request.slot for _, request in porter.requests]
    assert slots == [None, Slot("first", 1234.5)]
    assert "slot" not in step.progress


def test_a_moment_that_a_killed_attempt_may_have_used_is_not_shown_again(porter: Porter) -> None:
    porter.waits = {"first": Wait("rate_limited", 40.0, Slot("first", 1234.5))}
    job = _turn()
    _put_off(job)
    JobStep.objects.filter(job=job, name="chat.generate").update(attempt=2)
    porter.waits = {}

    _attempt(job)

    assert [request.slot for _, request in porter.requests] == [None, None]


def test_a_response_is_taken_up_where_it_was_begun(
    porter: Porter, models: Mapping[str, FakeModel]
) -> None:
    job = _turn()
    begun = {"provider": "second", "response_id": "r-second"}
    JobStep.objects.filter(job=job, name="chat.generate").update(progress=begun)

    step = _attempt(job)

    assert (step.output or {})["provider"] == "second"
    assert models["second"].asked[0][1] == "r-second"
    assert porter.requests[0][1].is_resumed


def test_a_response_is_not_looked_for_elsewhere(
    porter: Porter, models: Mapping[str, FakeModel]
) -> None:
    porter.waits = {"first": OPEN}
    job = _turn()
    # An older worker notes no provider: it is the turn's own.
    JobStep.objects.filter(job=job, name="chat.generate").update(progress={"response_id": "r-1"})

    step = _attempt(job)

    assert (step.output or {})["text"] == "second"
    assert models["second"].asked[0][1] is None
    assert [request.is_resumed for _, request in porter.requests] == [True, False]
    assert (step.progress["provider"], step.progress["response_id"]) == ("second", "r-second")


def test_a_provider_that_is_gone_is_named(porter: Porter, settings: Any) -> None:
    job = _turn()
    del settings.PROVIDERS["first"]

    with pytest.raises(ProviderRefused, match="first is not configured"):
        _attempt(job)

    job.refresh_from_db()
    assert (job.state, job.error_code) == ("failed", "provider_refused")


def test_a_pause_is_passed_on(porter: Porter, models: Mapping[str, FakeModel]) -> None:
    models["first"].script = [RateLimited(retry_after=9.0)]

    with pytest.raises(Ignore):
        _attempt(_turn())

    assert porter.left == [("alive", 9.0)]
