"""What the state machines share: a clock that they move, a broker that forgets, an empty database.

A machine draws a random history of what clients, workers, relays and accidents do, and checks
after each event what must always hold; at the end the accidents stop, and everything must come
to its end.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import UUID

import pytest
from django.db import transaction
from django.test import TestCase
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from kombu.exceptions import OperationalError

from pipelines.core import dispatch, steps
from pipelines.core.dispatch import Hint
from pipelines.core.steps import Pipeline


def check_machine(machine: type[RuleBasedStateMachine]) -> None:
    """Run a machine's examples: a part of what the profile grants to a plain property."""
    examples = settings().max_examples * 3 // 10
    quiet = settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=quiet)


class Clock:
    """Stands for `datetime` in Django's clock: no two moments are equal, and only `move` waits."""

    def __init__(self) -> None:
        """Begin now: what is made by the real clock is then never in the future."""
        self.moment = datetime.now(UTC)

    def now(self, tz: tzinfo | None = None) -> datetime:
        """Return the next millisecond."""
        self.move(0.001)
        return self.moment.astimezone(tz)

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Message:
    """One link on the wire, and the names and queues of those that follow."""

    job_id: UUID
    epoch: int
    links: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """The step that it asks for."""
        return self.links[0][0]

    def following(self) -> Message | None:
        """The chain's next link; None after the last."""
        return Message(self.job_id, self.epoch, self.links[1:]) if self.links[1:] else None


class Broker:
    """Queues in memory that can be down, and that lose what they are told to lose."""

    def __init__(self) -> None:
        """Begin empty and up."""
        self.queues: defaultdict[str, list[Message]] = defaultdict(list)
        self.is_up = True
        self.is_deaf = False
        # Whatever it ever took.
        self.sent: list[Message] = []

    def publish(self, hint: Hint) -> None:
        """Take the first link; a broker that is down raises, a deaf one loses it."""
        assert hint.steps, "nothing to publish"
        self.put(
            Message(hint.job_id, hint.epoch, tuple((step.name, step.queue) for step in hint.steps))
        )

    def put(self, message: Message) -> None:
        """Append a message to its queue."""
        if not self.is_up:
            raise OperationalError("down")
        if not self.is_deaf:
            self.queues[message.links[0][1]].append(message)
            self.sent.append(message)

    def depths(self, names: Sequence[str]) -> dict[str, int]:
        """Count what waits in each queue."""
        if not self.is_up:
            raise OperationalError("down")
        return {name: len(self.queues[name]) for name in names}

    def messages(self) -> list[Message]:
        """Everything that waits, queue by queue."""
        return [message for name in sorted(self.queues) for message in self.queues[name]]

    def take(self, message: Message) -> None:
        """Remove one copy of a message."""
        self.queues[message.links[0][1]].remove(message)


@contextmanager
def committed() -> Iterator[None]:
    """Run what is to happen after the commit, as if the example's own transaction were none."""
    with TestCase.captureOnCommitCallbacks(execute=True):
        yield
    dispatch.flush()


@contextmanager
def _rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def registered(*pipelines: Pipeline) -> Iterator[None]:
    """Declare pipelines for a while."""
    for pipeline in pipelines:
        steps.register(pipeline)
    try:
        yield
    finally:
        for pipeline in pipelines:
            steps._pipelines.pop(pipeline.kind)
            for step in pipeline.steps:
                steps._steps.pop(step.name, None)


class DurableMachine(RuleBasedStateMachine):
    """A machine with a clock, a broker and an empty database of its own."""

    def __init__(self) -> None:
        """Stand in for the clock and the broker until the example ends."""
        super().__init__()
        self.clock, self.broker = Clock(), Broker()
        self.until_the_end = ExitStack()
        patch = self.until_the_end.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("django.utils.timezone.datetime", self.clock)
        patch.setattr(dispatch, "publish", self.broker.publish)
        patch.setattr(dispatch, "queue_depths", self.broker.depths)
        self.until_the_end.enter_context(_rolled_back())

    def drain(self) -> None:
        """Let everything come to its end; what does not is the failure."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Drain, unless the example has failed already; leave nothing behind."""
        try:
            if sys.exc_info()[0] is None:
                self.broker.is_up, self.broker.is_deaf = True, False
                self.drain()
        finally:
            self.until_the_end.close()
