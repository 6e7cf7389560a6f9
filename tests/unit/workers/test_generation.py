"""What the generation step does with what a model says, and when it is lost meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from celery.exceptions import Ignore
from django.db import OperationalError

from pipelines.accounts.models import User
from pipelines.chat.pipeline import GENERATE
from pipelines.chat.services import turn_accept
from pipelines.core.errors import JobCancelled, ProviderUnavailable, TransientError
from pipelines.jobs import claims
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.services import job_cancel
from tests.unit.workers.fake_model import FakeModel, Line
from workers import chat, configured, generation
from workers.base import execute
from workers.engines.governor import Account, Permit, Request
from workers.engines.llm import Delta, Finished, Started, Usage
from workers.generation import Storable
from workers.leases import LeaseKeeper

USAGE = Usage(7, 3)
END = Finished(USAGE, "stop", "m-1")


class OpenDoor:
    """A `Governor` that lets everything through, and is its own permit."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.left: list[tuple[str, int, int, float]] = []

    def enter(self, account: Account, request: Request) -> Permit:
        """Let it through."""
        self.requests.append(request)
        return self

    def keep(self) -> None:
        """Nothing runs out."""

    def leave(self, outcome: str, *, requests: int = 1, tokens: int, pause: float = 0) -> None:
        """Note it."""
        self.left.append((outcome, requests, tokens, pause))


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> OpenDoor:
    door = OpenDoor()
    monkeypatch.setattr(configured, "governor", lambda: door)
    return door


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, door: OpenDoor, settings: Any) -> FakeModel:
    model = FakeModel()
    monkeypatch.setattr(configured, "language_model", lambda _: model)
    settings.PROGRESS_SECONDS = 0
    return model


@pytest.fixture
def job(db: None) -> Job:
    return turn_accept(owner=User.objects.create(username="ada"), message="hello").job


def _attempt(job: Job, model: FakeModel, script: Sequence[Line]) -> JobStep:
    """Deliver the step's message once."""
    model.script = script
    JobStep.objects.filter(job=job, name=GENERATE.name).update(ready_at=job.created_at)
    with suppress(TransientError, Ignore):
        execute(GENERATE, chat.generate, job.pk, 1, "w", "t")
    return JobStep.objects.get(job=job, name=GENERATE.name)


def _said(*words: str) -> list[Delta]:
    return [Delta(word, number) for number, word in enumerate(words, start=4)]


def test_an_answer_is_recorded_with_who_gave_it(job: Job, model: FakeModel, door: OpenDoor) -> None:
    step = _attempt(job, model, [Started("r1", "m-1"), *_said("Hello", " Ada"), END])

    assert step.state == "completed"
    assert step.output == {
        "text": "Hello Ada",
        "generation": 0,
        "provider": "sandbox",
        "model": "m-1",
        "finish_reason": "stop",
        "input_tokens": 7,
        "output_tokens": 3,
        "passages": [],
    }
    assert door.left == [("ok", 1, 10, 0)]


def test_what_there_is_so_far_is_noted(job: Job, model: FakeModel) -> None:
    long = "x" * 600
    step = _attempt(
        job, model, [Started("r1", "m-1"), *_said("Hello", long, "a"), ProviderUnavailable()]
    )

    assert step.state == "queued"
    noted = step.progress
    assert (noted["provider"], noted["response_id"]) == ("sandbox", "r1")
    # The text is noted when it has grown, together with the event that ended it.
    assert (noted["text"], noted["sequence"]) == ("Hello" + long, 5)
    assert noted["output_tokens"] == -(-606 // 4)
    assert noted["input_tokens"] > 0


def test_the_next_attempt_goes_on_after_what_is_noted(
    job: Job, model: FakeModel, door: OpenDoor
) -> None:
    long = "x" * 600
    _attempt(job, model, [Started("r1", "m-1"), *_said("Hello", long, "lost"), TransientError()])

    step = _attempt(job, model, [Started("r1", "m-1"), Delta("lost", 6), Delta("!", 7), END])

    assert model.asked[1][1:] == ("r1", 5)
    assert (step.output or {})["text"] == f"Hello{long}lost!"
    assert [request.is_resumed for request in door.requests] == [False, True]
    assert door.left[-1] == ("ok", 1, 10, 0)


def test_without_text_noted_the_whole_answer_is_told_again(job: Job, model: FakeModel) -> None:
    _attempt(job, model, [Started("r1", "m-1"), Delta("Hello", 4), TransientError()])

    step = _attempt(job, model, [Started("r1", "m-1"), *_said("Hello", " Ada"), END])

    assert model.asked[1][1:] == ("r1", None)
    assert (step.output or {})["text"] == "Hello Ada"


def test_a_response_that_is_gone_begins_afresh_and_is_paid_for(
    job: Job, model: FakeModel, door: OpenDoor
) -> None:
    _attempt(job, model, [Started("r1", "m-1"), *_said("x" * 600), TransientError()])

    step = _attempt(job, model, [Started("r2", "m-1"), *_said("Afresh"), END])

    assert (step.output or {})["text"] == "Afresh"
    assert step.progress["response_id"] == "r2"
    assert "text" not in step.progress
    assert door.left[-1] == ("ok", 2, 10, 0)


def test_a_model_that_cannot_resume_is_asked_anew(
    job: Job, model: FakeModel, door: OpenDoor
) -> None:
    model.resumes = False
    _attempt(job, model, [Started("c1", "m-1"), Delta("Hel", None), TransientError()])

    step = _attempt(job, model, [Started("c2", "m-1"), Delta("Hello", None), END])

    assert model.asked[1][1:] == (None, None)
    assert (step.output or {})["text"] == "Hello"
    assert [request.is_resumed for request in door.requests] == [False, False]


def test_usage_that_the_provider_does_not_count_is_estimated_over_all_attempts(
    job: Job, model: FakeModel
) -> None:
    end = Finished(Usage(1, 1, estimated=True), "stop", "m-1")
    _attempt(job, model, [Started("r1", "m-1"), *_said("x" * 600), TransientError()])

    step = _attempt(job, model, [Started("r1", "m-1"), Delta("y" * 200, 5), end])

    assert (step.output or {})["output_tokens"] == 200


def test_a_cancelled_generation_is_cut_and_cancelled_at_the_provider(
    job: Job, model: FakeModel, door: OpenDoor, lease_keeper: LeaseKeeper
) -> None:
    def cancel() -> None:
        job_cancel(job_id=job.pk)
        lease_keeper.watch()
        for _ in range(1000):
            if model.cancelled:
                return
            threading.Event().wait(0.01)

    step = _attempt(job, model, [Started("r1", "m-1"), *_said("Hello"), cancel, *_said("x"), END])

    assert (step.state, step.output, step.attempt) == ("cancelled", None, 1)
    assert model.cancelled == ["r1"]
    assert step.progress["output_tokens"] == 2
    assert door.left[0][0] == "unknown"


@pytest.mark.parametrize("before", [[], ["r0"]])
def test_one_cancelled_before_its_answer_began_is_cancelled_at_the_provider(
    job: Job, model: FakeModel, lease_keeper: LeaseKeeper, before: list[str]
) -> None:
    """Given a cancellation that nobody has noticed when the response's id comes."""
    for response_id in before:
        _attempt(job, model, [Started(response_id, "m-1"), TransientError()])

    def cancel() -> None:
        job_cancel(job_id=job.pk)

    def notice() -> None:
        lease_keeper.watch()
        for _ in range(1000):
            if model.cancelled:
                return
            threading.Event().wait(0.01)

    step = _attempt(job, model, [cancel, Started("r1", "m-1"), notice, *_said("x"), END])

    assert (step.state, step.output) == ("cancelled", None)
    assert model.cancelled == ["r1"]


def test_a_stale_attempt_is_cut_but_its_response_goes_on(
    job: Job, model: FakeModel, lease_keeper: LeaseKeeper
) -> None:
    def lose() -> None:
        JobStep.objects.filter(job=job, name=GENERATE.name).update(attempt=2)
        lease_keeper.watch()
        # The stream sees the cut; without one this would go on to the end of the script.
        threading.Event().wait(0.5)

    step = _attempt(job, model, [Started("r1", "m-1"), lose, *_said("x"), END])

    assert (step.state, step.attempt, step.output) == ("in_progress", 2, None)
    assert model.was_cut.is_set()
    assert model.cancelled == []


def test_what_somebody_cancelled_at_the_provider_is_generated_again(
    job: Job, model: FakeModel, door: OpenDoor
) -> None:
    first = _attempt(job, model, [Started("r1", "m-1"), *_said("x" * 600), JobCancelled()])

    second = _attempt(job, model, [Started("r2", "m-1"), *_said("Hello"), END])

    assert (first.state, first.error_code) == ("queued", "provider_cancelled")
    assert "response_id" not in first.progress
    assert model.asked[1][1:] == (None, None)
    assert (second.output or {})["text"] == "Hello"
    assert door.left[0][0] == "unknown"


def test_a_note_that_cannot_be_written_ends_nothing(
    job: Job, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = claims.step_progress

    def fail_on_deltas(claim: claims.Claim, **progress: Any) -> bool:
        if "response_id" not in progress:
            raise OperationalError("gone")
        return write(claim, **progress)

    monkeypatch.setattr(claims, "step_progress", fail_on_deltas)

    step = _attempt(job, model, [Started("r1", "m-1"), *_said("Hello", " Ada"), END])

    assert (step.output or {})["text"] == "Hello Ada"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each note that is written."""
    notes: list[int] = []
    write = claims.step_progress

    def count(claim: claims.Claim, **progress: Any) -> bool:
        notes.append(len(progress))
        return write(claim, **progress)

    monkeypatch.setattr(claims, "step_progress", count)
    return notes


def test_notes_are_few(job: Job, model: FakeModel, settings: Any, written: list[int]) -> None:
    settings.PROGRESS_SECONDS = 3600

    _attempt(job, model, [Started("r1", "m-1"), *_said(*["word "] * 500), END])

    # The one for the response's id.
    assert len(written) == 1


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (["a\0b"], ["ab", ""]),
        (["\ud83d", "\ude00"], ["", "\U0001f600", ""]),
        (["half \ud83d"], ["half ", "\ufffd"]),
        (["\ud83d", "whole"], ["", "\ufffdwhole", ""]),
        (["\ude00"], ["\ufffd", ""]),
    ],
)
def test_a_text_is_made_storable(said: list[str], kept: list[str]) -> None:
    storable = Storable()

    assert [*map(storable.take, said), storable.end()] == kept


def test_a_first_half_is_not_whole() -> None:
    storable = Storable()

    storable.take("\ud83d")
    assert not storable.is_whole
    storable.take("\ude00")
    assert storable.is_whole


def test_half_a_character_is_never_noted(job: Job, model: FakeModel) -> None:
    text = "x" * 600
    script: list[Line] = [Started("r1", "m-1"), *_said(text + "\ud83d", "\ude00"), END]

    step = _attempt(job, model, script)

    assert (step.output or {})["text"] == text + "\U0001f600"
    assert step.progress["text"] == text + "\U0001f600"
    assert step.progress["sequence"] == 5


def test_the_growth_of_the_notes_is_bounded() -> None:
    noted, size, written = 0, 0, 0
    for _ in range(100_000):
        size += 1
        if size >= noted * generation._GROWTH + generation._FIRST_NOTE:
            noted, written = size, written + size

    assert written <= 3 * size
