"""One attempt's reading of a model's answer: noted as it grows, cut when the step is lost."""

from __future__ import annotations

import codecs
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings

from pipelines.core.database import DATABASE_ERRORS, refresh_connection, summary
from pipelines.core.errors import JobCancelled, StaleAttempt, TransientError, TurnpikeError

if TYPE_CHECKING:
    from pipelines.jobs.tail import Tail
    from workers.base import Run
    from workers.engines.llm import Cutter, Event, Finished, Usage
    from workers.routing import Route

log = structlog.get_logger(__name__)

# How long a cancellation waits for the id of a response that is being asked for, in seconds.
_ID_SECONDS = 0.5
# The text is noted again when it has grown by half, so that all notes together stay small.
_GROWTH = 1.5
_FIRST_NOTE = 512


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    text: str
    model: str
    finish_reason: str
    usage: Usage


def follow(run: Run, route: Route) -> Answer:
    """Read an answer to its end.

    Raises:
        JobCancelled, StaleAttempt: The step was lost; the stream has ended, too.
        TurnpikeError: What the model raises; see `LanguageModel.stream`.
    """
    from workers.engines import llm

    reading, cutter = _Reading(run, route), llm.Cutter()
    stream = route.model.stream(
        route.prompt,
        resume=route.resume or None,
        starting_after=reading.sequence,
        cutter=cutter,
    )

    def lost(error: TurnpikeError) -> None:
        _stop(route, reading, cutter, error)

    try:
        with run.on_lost(lost), closing(reading), closing(stream):
            for event in stream:
                run.check()
                route.permit.keep()
                reading.take(event)
    except JobCancelled:
        run.check()
        # Not by us: somebody cancelled it at the provider, and resuming it would find the same.
        run.progress(response_id=None, text=None, sequence=None)
        raise TransientError(
            f"The answer was cancelled at the provider {route.provider}.", code="provider_cancelled"
        ) from None
    return reading.answer()


def _stop(route: Route, reading: _Reading, cutter: Cutter, error: TurnpikeError) -> None:
    """End the stream; tell the provider, too, unless another attempt goes on with the response."""
    is_cancelled = isinstance(error, JobCancelled)
    if is_cancelled:
        reading.has_begun.wait(_ID_SECONDS)
    cutter.cut()
    if not is_cancelled or not reading.response_id:
        return
    try:
        route.model.cancel(reading.response_id)
    except TurnpikeError as failure:
        log.warning("generation.not_cancelled", code=failure.error_code, detail=failure.detail)


class _Reading:
    """What there is of the answer, and what of it is noted in the step's progress."""

    def __init__(self, run: Run, route: Route) -> None:
        """Begin where the notes of an earlier attempt end, if its response is resumed."""
        noted = run.claim.progress if route.resume else {}
        self.response_id = route.resume
        self.sequence: int | None = noted.get("sequence")
        self.has_begun = threading.Event()
        if route.resume:
            self.has_begun.set()
        self._run = run
        self._route = route
        self._storable = Storable()
        self._parts = [str(noted.get("text", ""))] if self.sequence is not None else []
        self._size = self._noted_size = sum(len(part.encode()) for part in self._parts)
        self._next_note = 0.0
        self._finished: Finished | None = None
        self._tail: Tail | None = None

    def take(self, event: Event) -> None:
        """Take in one event."""
        from workers.engines import llm

        match event:
            case llm.Started():
                self._start(event.response_id)
            case llm.Delta():
                self._add(self._storable.take(event.text))
                self.sequence = event.sequence_number
                if time.monotonic() >= self._next_note:
                    self._note_size()
            case llm.Finished():
                self._add(self._storable.end())
                self._finished = event
                self._route.tokens = event.usage.input_tokens + event.usage.output_tokens

    def answer(self) -> Answer:
        """Sum up a stream that has ended well."""
        finished = self._finished
        assert finished is not None  # the engine's contract
        usage = self._usage() if finished.usage.estimated else finished.usage
        return Answer("".join(self._parts), finished.model, finished.finish_reason, usage)

    def close(self) -> None:
        """Let go of the text: it grows no more in this attempt."""
        if self._tail is not None:
            self._tail.close()

    def _add(self, text: str) -> None:
        self._parts.append(text)
        self._size += len(text.encode())
        if self._tail is not None:
            self._tail.grow(text)

    def _start(self, response_id: str) -> None:
        """Note which response this is before anything of it; one of another id begins afresh."""
        is_afresh = response_id != self.response_id
        if is_afresh:
            self._route.requests += bool(self.response_id)
            self._storable = Storable()
            self._parts, self._size, self._noted_size, self.sequence = [], 0, 0, None
        self.response_id = response_id
        self.has_begun.set()
        self._next_note = time.monotonic() + settings.PROGRESS_SECONDS
        notes = {
            "provider": self._route.provider,
            "response_id": response_id,
            "slot": None,
            **self._notes(with_text=True),
        }
        self.close()
        self._tail = None
        # A step that was lost just now: whoever keeps its lease will say how, and only that tells
        # whether the response is to be cancelled, too.
        with suppress(JobCancelled, StaleAttempt):
            if is_afresh:
                self._tail = self._run.text_begin(**notes)
            else:
                self._tail = self._run.text_resume("".join(self._parts), **notes)

    def _note_size(self) -> None:
        """Note how far it is; what cannot be noted now is noted the next time."""
        self._next_note = time.monotonic() + settings.PROGRESS_SECONDS
        grown = self._size >= self._noted_size * _GROWTH + _FIRST_NOTE
        # Whoever resumes would not be sent the first half of a character again.
        with_text = grown and self._storable.is_whole and self.sequence is not None
        try:
            self._run.progress(**self._notes(with_text=with_text))
        except DATABASE_ERRORS as error:
            log.warning("generation.unnoted", error=summary(error))
            refresh_connection()

    def _notes(self, *, with_text: bool) -> dict[str, Any]:
        usage = self._usage()
        self._route.tokens = usage.input_tokens + usage.output_tokens
        notes: dict[str, Any] = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
        }
        if with_text:
            self._noted_size = self._size
            notes |= {"text": "".join(self._parts) or None, "sequence": self.sequence}
        return notes

    def _usage(self) -> Usage:
        """Estimate, for as long as the provider has not counted."""
        from workers.engines import llm

        return llm.Usage(self._route.input_tokens, llm.tokens_in(self._size), estimated=True)


class Storable:
    """Makes a model's text, piece by piece, one that databases take.

    It holds no NUL, and no half of a surrogate pair: the first half waits for the second.
    """

    def __init__(self) -> None:
        """Begin a text."""
        self._decoder = codecs.getincrementaldecoder("utf-16-le")("replace")

    def take(self, text: str) -> str:
        """Return what there is to store by now."""
        return self._decoder.decode(text.replace("\0", "").encode("utf-16-le", "surrogatepass"))

    def end(self) -> str:
        """Return what is left; half a character is replaced."""
        return self._decoder.decode(b"", final=True)

    @property
    def is_whole(self) -> bool:
        """Whether nothing waits for a second half."""
        return not self._decoder.getstate()[0]
