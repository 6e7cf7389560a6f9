"""A job's log: whatever a reader has had, it is given exactly the rest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.accounts.models import User
from pipelines.chat.pipeline import FINISH, GENERATE
from pipelines.chat.services import turn_accept
from pipelines.core.errors import JobCancelled, NotFound, StaleAttempt
from pipelines.jobs import claims
from pipelines.jobs import log as log_module
from pipelines.jobs.claims import Claim, step_claim, step_progress, step_recording, text_begin
from pipelines.jobs.log import (
    RESTARTED,
    START,
    STRIDE,
    Entry,
    Line,
    Log,
    entries,
    lines_count,
    log_get,
    logs_read,
)
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.services import job_cancel
from pipelines.jobs.states import JobState

AT = datetime(2026, 1, 1, tzinfo=UTC)
STARTED = Line("step.started", AT, GENERATE.name, 1)
WRITTEN = Line("step.completed", AT, GENERATE.name, 1)
FINISHED = Line("step.completed", AT, FINISH.name, 1)
AFRESH = Line(RESTARTED, AT, GENERATE.name, 2)
ENDED = Line("job.completed", AT)


def log(*lines: Line, text: str = "", state: JobState = JobState.IN_PROGRESS) -> Log:
    return Log(uuid4(), state, AT, lines, text)


def told(found: list[Entry]) -> list[str]:
    """What a reader is told: the kinds of lines, and pieces of text in quotes."""
    return [entry.line.kind if entry.line else f"'{entry.delta}'" for entry in found]


def read(known: Log, place: int) -> list[Entry]:
    return list(entries(known, known.text, place))


def test_a_new_reader_is_told_everything() -> None:
    known = log(STARTED, WRITTEN, FINISHED, ENDED, text="Hello", state=JobState.COMPLETED)

    found = read(known, START)

    assert told(found) == [
        "job.queued",
        "step.started",
        "'Hello'",
        "step.completed",
        "step.completed",
        "job.completed",
    ]
    assert [entry.number for entry in found] == [
        0,
        STRIDE,
        STRIDE + 5,
        2 * STRIDE + 5,
        3 * STRIDE + 5,
        4 * STRIDE + 5,
    ]


def test_a_text_grows_by_what_is_new() -> None:
    [first] = read(log(STARTED, text="Hel"), STRIDE)
    [second] = read(log(STARTED, text="Hello"), first.number)

    assert (first.delta, second.delta) == ("Hel", "lo")
    assert read(log(STARTED, text="Hello"), second.number) == []


def test_the_rest_of_a_text_comes_before_the_line_that_ends_it() -> None:
    found = read(log(STARTED, WRITTEN, text="Hello"), STRIDE + 2)

    assert told(found) == ["'llo'", "step.completed"]


def test_a_text_that_begins_afresh_is_told_from_its_beginning() -> None:
    found = read(log(STARTED, AFRESH, text="Anew"), STRIDE + 9)

    assert told(found) == [RESTARTED, "'Anew'"]
    assert [entry.number for entry in found] == [2 * STRIDE, 2 * STRIDE + 4]


def test_a_reader_who_was_away_for_a_whole_text_gets_only_the_newest() -> None:
    found = read(log(STARTED, AFRESH, AFRESH, WRITTEN, text="Third"), STRIDE + 2)

    assert told(found) == [RESTARTED, RESTARTED, "'Third'", "step.completed"]


def test_somebody_ahead_of_the_lines_is_told_no_character_again() -> None:
    """The lines of an old job are gone; what was read of them still counts."""
    assert read(log(text="Hello"), 4 * STRIDE + 5) == []


@given(
    st.lists(st.text("ab ", min_size=1, max_size=6), min_size=1, max_size=8),
    st.lists(st.booleans(), min_size=8, max_size=8),
    st.data(),
)
def test_no_character_is_lost_or_told_twice(
    pieces: list[str], afresh: list[bool], data: st.DataObject
) -> None:
    """Whenever a reader looks, and wherever it has been cut off and comes back."""
    lines, text, place, written = [STARTED], "", START, ""
    for piece, begins in zip(pieces, afresh, strict=False):
        if begins:
            lines, text = [*lines, AFRESH], ""
        text += piece
        if not data.draw(st.booleans()):
            continue
        for entry in read(log(*lines, text=text), place):
            written = "" if entry.line and entry.line.kind == RESTARTED else written + entry.delta
            assert entry.number > place
            place = entry.number
            if data.draw(st.booleans()):
                break
    for entry in read(log(*lines, WRITTEN, ENDED, text=text), place):
        written = "" if entry.line and entry.line.kind == RESTARTED else written + entry.delta

    assert written == text


def test_a_job_has_ended_once_the_line_of_its_end_was_read() -> None:
    assert not log(STARTED, state=JobState.COMPLETED).has_ended
    assert not log(STARTED, ENDED).has_ended
    assert log(STARTED, ENDED, state=JobState.COMPLETED).has_ended
    assert log(state=JobState.FAILED).has_ended


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create(username="ada")


@pytest.fixture
def job(owner: User) -> Job:
    return turn_accept(owner=owner, message="hello").job


def claim(job: Job) -> Claim:
    JobStep.objects.filter(job=job, name=GENERATE.name).update(ready_at=job.created_at)
    return step_claim(job_id=job.pk, epoch=1, name=GENERATE.name, worker="w", task_id="t")


def test_a_log_is_read_from_the_tables(owner: User, job: Job) -> None:
    attempt = claim(job)
    assert text_begin(attempt, response_id="r") == 0
    step_progress(attempt, text="Hel")

    growing = log_get(owner, job.pk)
    assert (growing.text, growing.generation, growing.has_ended) == ("Hel", 0, False)

    with step_recording(attempt) as outcome:
        outcome.output = {"text": "Hello"}
    written = log_get(owner, job.pk)
    assert written.text == "Hello"
    assert [line.kind for line in written.lines] == ["step.started", "step.completed"]
    assert [line.ends_text for line in written.lines] == [False, True]
    assert lines_count([job.pk]) == {job.pk: 2}


def test_what_is_noted_of_a_text_that_began_afresh_belongs_to_its_line(job: Job) -> None:
    attempt = claim(job)
    text_begin(attempt)
    step_progress(attempt, text="First")
    assert text_begin(attempt, text=None) == 1
    step_progress(attempt, text="Second")

    found = logs_read([job.pk])[job.pk]

    assert [line.kind for line in found.lines] == ["step.started", RESTARTED]
    assert (found.generation, found.text) == (1, "Second")


def test_a_text_begins_for_its_own_attempt_only(job: Job) -> None:
    stale = claim(job)
    text_begin(stale)
    JobStep.objects.filter(pk=stale.step_id).update(attempt=2)

    with pytest.raises(StaleAttempt):
        text_begin(stale)

    assert logs_read([job.pk])[job.pk].generation == 0


def test_no_text_begins_in_a_cancelled_job(job: Job) -> None:
    attempt = claim(job)
    text_begin(attempt)
    job_cancel(job_id=job.pk)

    with pytest.raises(JobCancelled):
        text_begin(attempt)


def test_the_first_text_does_not_begin_for_a_stale_attempt(job: Job) -> None:
    stale = claim(job)
    JobStep.objects.filter(pk=stale.step_id).update(attempt=2)

    with pytest.raises(StaleAttempt):
        text_begin(stale)


def test_how_a_job_failed_is_in_its_log(owner: User, job: Job) -> None:
    claims.step_give_up(claim(job), JobCancelled("Nobody wants it."))

    found = log_get(owner, job.pk)

    assert found.has_ended
    assert found.error == {"code": "cancelled", "detail": "Nobody wants it."}
    assert [line.ends_job for line in found.lines] == [False, False, True]


def test_an_end_between_the_two_looks_is_told(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a job that had no line yet when its lines were read, and ended before its state was."""
    read_lines, looks = log_module._lines_of, []

    def look(job_ids: Iterable[UUID]) -> dict[UUID, list[Line]]:
        looks.append(list(job_ids))
        found = read_lines(job_ids)
        if len(looks) == 1:
            job_cancel(job_id=job.pk)
        return found

    monkeypatch.setattr(log_module, "_lines_of", look)

    found = logs_read([job.pk])[job.pk]

    assert found.has_ended
    assert [line.kind for line in found.lines] == ["job.cancelled"]
    assert looks == [[job.pk], [job.pk]]


def test_the_log_of_another_owner_is_not_there(job: Job) -> None:
    other = User.objects.create(username="bob")

    with pytest.raises(NotFound):
        log_get(other, job.pk)
    with pytest.raises(NotFound):
        log_get(other, uuid4())
