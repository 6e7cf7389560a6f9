"""A job's log: its lines, which are kept for good, and the text that grows between them.

A reader's place in it is one number, `lines x STRIDE + characters`: how many lines it has had, and
how many characters of the text that is being written. It rises with all that is read, wherever a
text is cut into pieces, and whoever names it later is given exactly the rest: from the database
alone if need be. A text that begins afresh has a line of its own, after which its characters count
from 0 again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Count

from pipelines.core.errors import NotFound
from pipelines.core.steps import declared_steps
from pipelines.jobs.models import Job, JobEvent, JobStep
from pipelines.jobs.selectors import seen_by
from pipelines.jobs.states import FINAL, JobState, StepState
from pipelines.jobs.tail import tell_on_commit

if TYPE_CHECKING:
    from pipelines.accounts.models import User

# More characters than any text has.
STRIDE = 10_000_000
# Where a reader stands that has had nothing, not even that the job was accepted.
START = -1
RESTARTED = "text.restarted"
_COMPLETED = "step.completed"
_ENDS = {f"job.{state}" for state in FINAL}


@dataclass(frozen=True)
class Line:
    """What happened to a job, or to a step of it, and when; `detail` says why."""

    kind: str
    at: datetime
    step: str = ""
    attempt: int = 0
    detail: str = ""

    @property
    def ends_job(self) -> bool:
        """Whether the job ended with it."""
        return self.kind in _ENDS

    @property
    def ends_text(self) -> bool:
        """Whether the text was whole by then."""
        return self.kind == _COMPLETED and self.step in streaming_steps()


@dataclass(frozen=True)
class Log:
    """All that the database knows of a job's log.

    Attributes:
        lines: Its lines, in their order.
        text: As much of the newest text as was noted down.
        output: What the job left behind, once it has ended.
        error: Why it failed, as {code, detail}.
    """

    job_id: UUID
    state: JobState
    accepted_at: datetime
    lines: tuple[Line, ...]
    text: str = ""
    output: Any = None
    error: Mapping[str, str] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing follows, unless somebody runs the job again.

        The lines were read before the state: the one that tells of the end may still be missing.
        `logs_read` has looked again where there was none.
        """
        is_told = not self.lines or self.lines[-1].kind == f"job.{self.state}"
        return self.state in FINAL and is_told

    @property
    def generation(self) -> int:
        """How often the text has begun afresh."""
        return sum(line.kind == RESTARTED for line in self.lines)


@dataclass(frozen=True)
class Entry:
    """A line, or a piece of the text, with the place of whoever has read it."""

    number: int
    line: Line | None = None
    delta: str = ""


def streaming_steps() -> set[str]:
    """Name the steps whose text is read while it grows."""
    return {name for name, step in declared_steps().items() if step.streams}


def line_add(job: Job, kind: str, step: JobStep | None = None, *, detail: str = "") -> None:
    """Add a line to the log of a job that the caller has locked, and tell its followers.

    The lock has the lines' ids rise in the order in which they become visible.
    """
    of_step = {"step": step.name, "attempt": step.attempt} if step is not None else {}
    JobEvent.objects.create(job=job, type=kind, detail=detail, **of_step)
    tell_on_commit(job.pk)


def log_get(viewer: User, job_id: UUID) -> Log:
    """Read one log; NotFound when the job does not exist or is not the viewer's to see."""
    if not Job.objects.filter(seen_by(viewer), pk=job_id).exists():
        raise NotFound("There is no such job.")
    return logs_read([job_id])[job_id]


def logs_read(job_ids: Collection[UUID]) -> dict[UUID, Log]:
    """Read the logs of these jobs, by three queries or four; jobs that are gone are left out."""
    lines, texts = _lines_of(job_ids), _texts_of(job_ids)
    jobs = Job.objects.filter(pk__in=job_ids).only(
        "state", "created_at", "output", "error_code", "error_detail"
    )
    untold = [job.pk for job in jobs if job.state in FINAL and job.pk not in lines]
    if untold:  # it ended between the two looks, with its first line
        lines |= _lines_of(untold)
    found = {job.pk: _log(job, tuple(lines.get(job.pk, ()))) for job in jobs}
    for job_id, (generation, text) in texts.items():
        # One that began afresh since its line was looked for is not what the lines tell of.
        if job_id in found and generation == found[job_id].generation:
            found[job_id] = replace(found[job_id], text=text)
    return found


def lines_count(job_ids: Collection[UUID]) -> dict[UUID, int]:
    """Count the lines of these jobs; those without any are left out."""
    rows = JobEvent.objects.filter(job_id__in=job_ids).order_by().values("job_id")
    return dict(rows.annotate(count=Count("id")).values_list("job_id", "count"))


def _log(job: Job, lines: tuple[Line, ...]) -> Log:
    error = {"code": job.error_code, "detail": job.error_detail} if job.error_code else None
    return Log(job.pk, JobState(job.state), job.created_at, lines, output=job.output, error=error)


def _lines_of(job_ids: Iterable[UUID]) -> dict[UUID, list[Line]]:
    rows = JobEvent.objects.filter(job_id__in=job_ids).order_by("id")
    found: dict[UUID, list[Line]] = {}
    for job_id, kind, at, step, attempt, detail in rows.values_list(
        "job_id", "type", "created_at", "step", "attempt", "detail"
    ):
        found.setdefault(job_id, []).append(Line(kind, at, step, attempt, detail))
    return found


def _texts_of(job_ids: Iterable[UUID]) -> dict[UUID, tuple[int, str]]:
    """Read how far the texts are, and which beginning of theirs that is."""
    steps = JobStep.objects.filter(job_id__in=job_ids, name__in=streaming_steps())
    found: dict[UUID, tuple[int, str]] = {}
    for job_id, state, output, progress in steps.values_list(
        "job_id", "state", "output", "progress"
    ):
        source = output if state == StepState.COMPLETED else progress
        found[job_id] = progress.get("generation", 0), str((source or {}).get("text", ""))
    return found


def entries(log: Log, text: str, place: int) -> Iterator[Entry]:
    """Yield what a reader has not had.

    Before the line that ends a text come all its characters.

    Args:
        log: What the database knows.
        text: The newest text, which may be ahead of what is noted in the database.
        place: What the reader has had; START for nothing.
    """
    if place < 0:
        place = 0
        yield Entry(0, Line("job.queued", log.accepted_at))
    had, characters = divmod(place, STRIDE)
    is_newest = not _restarts(log.lines[had:])
    for number, line in enumerate(log.lines[had:], start=had + 1):
        if line.kind == RESTARTED:
            characters, is_newest = 0, not _restarts(log.lines[number:])
        elif line.ends_text and characters < len(text):
            yield Entry((number - 1) * STRIDE + len(text), delta=text[characters:])
            characters = len(text)
        yield Entry(number * STRIDE + characters, line)
    had = max(had, len(log.lines))
    if is_newest and characters < len(text):
        yield Entry(had * STRIDE + len(text), delta=text[characters:])


def _restarts(lines: Iterable[Line]) -> bool:
    """Whether a text begins afresh in these lines."""
    return any(line.kind == RESTARTED for line in lines)
