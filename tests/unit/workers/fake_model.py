"""A language model that says what a test has written down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from pipelines.core.errors import JobCancelled, TurnpikeError
from workers.engines.llm import Cutter, Event, Prompt

Line = Event | TurnpikeError | Callable[[], None]


@dataclass
class FakeModel:
    """A `LanguageModel` that follows a script: events, errors to raise, and things to do.

    Attributes:
        script: What the next stream goes through.
        resumes: As the real ones.
        asked: The prompts, with what was to be resumed and after which event.
        cancelled: The responses that were cancelled.
    """

    script: Sequence[Line] = ()
    resumes: bool = True
    asked: list[tuple[Prompt, str | None, int | None]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    was_cut: threading.Event = field(default_factory=threading.Event)

    def stream(
        self,
        prompt: Prompt,
        *,
        resume: str | None = None,
        starting_after: int | None = None,
        cutter: Cutter | None = None,
    ) -> Generator[Event, None, None]:
        """Go through the script."""
        self.asked.append((prompt, resume, starting_after))
        for line in self.script:
            if cutter is not None and cutter.was_cut:
                self.was_cut.set()
                raise JobCancelled
            if isinstance(line, TurnpikeError):
                raise line
            if callable(line):
                line()
            else:
                yield line

    def cancel(self, response_id: str) -> None:
        """Note it."""
        self.cancelled.append(response_id)
