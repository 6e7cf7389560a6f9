"""Steps and pipelines: what runs where, for how long, and how often it is tried.

Both sides read these declarations: the front door to send a step by its name, the worker to run
it. Options on a task decorator would be invisible to a sender that has not imported the task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from pipelines.core.errors import Unavailable
from pipelines.core.jitter import jittered


@dataclass(frozen=True)
class Retry:
    """How often a step is tried, and how long is waited in between."""

    attempts: int = 5
    base: float = 1.0
    ceiling: float = 60.0

    def delay(self, attempt: int, *, asked: float | None = None) -> float:
        """Wait this many seconds after the given attempt (from 1).

        Exponential from `base` up to `ceiling`, with full jitter on the upper half so that what
        failed together does not come back together; never sooner than the other side `asked`.
        """
        backoff = min(self.ceiling, self.base * 2.0 ** (attempt - 1))
        return max(jittered(backoff), asked or 0.0)


@dataclass(frozen=True)
class Step:
    """One task of a pipeline; its name is a wire contract."""

    name: str
    queue: str
    retry: Retry = field(default_factory=Retry)
    # Seconds after which an unread message is dropped; the relay sends a fresh one if need be.
    expires: int = 3_600
    # Seconds after which a process pool interrupts (soft) and kills (hard) the task.
    soft_time_limit: int = 600
    time_limit: int = 660
    # Whether it writes a text that is read while it grows.
    streams: bool = False


@dataclass(frozen=True)
class Pipeline:
    """The steps of one kind of job, in their order.

    `on_end` is given the job's id in the transaction that ends the job in any state but
    `completed`: the place to give back what the job had reserved. `on_complete` is given it in the
    transaction that completes the job, `on_replay` in the one that runs a failed job again: the
    place to reserve anew, or to refuse. All locks on jobs have been taken by then.
    """

    kind: str
    steps: tuple[Step, ...]
    on_end: Callable[[UUID], None] | None = None
    on_complete: Callable[[UUID], None] | None = None
    on_replay: Callable[[UUID], None] | None = None


class Undeclared(Unavailable):
    """A newer release of Turnpike wrote this; it is left to the processes of that release."""

    code = "undeclared"


_pipelines: dict[str, Pipeline] = {}
_steps: dict[str, Step] = {}


def register(pipeline: Pipeline) -> Pipeline:
    """Make a pipeline known; two steps of one name must be the same step."""
    for step in pipeline.steps:
        if _steps.setdefault(step.name, step) is not step:
            raise ValueError(f"two different steps are called {step.name}")
    if _pipelines.setdefault(pipeline.kind, pipeline) is not pipeline:
        raise ValueError(f"two different pipelines are called {pipeline.kind}")
    return pipeline


def pipeline(kind: str) -> Pipeline:
    """Return the pipeline of a job's kind; Undeclared when no app declares it."""
    try:
        return _pipelines[kind]
    except KeyError:
        raise Undeclared from None


def step(name: str) -> Step:
    """Return the step of a name; Undeclared when no app declares it."""
    try:
        return _steps[name]
    except KeyError:
        raise Undeclared from None


def declared_kinds() -> set[str]:
    """Every kind of job that this release knows."""
    return set(_pipelines)


def declared_steps() -> Mapping[str, Step]:
    """Every step that this release knows, by its name."""
    return _steps
