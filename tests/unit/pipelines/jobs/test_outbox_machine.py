"""Everything ready is in the broker in the end, and what merely waits there is not sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from pipelines.core import dispatch
from pipelines.core.errors import NotClaimable
from pipelines.core.steps import Pipeline, Retry, Step
from pipelines.jobs import claims, relay
from pipelines.jobs.models import Job, JobEvent, JobStep
from pipelines.jobs.services import job_accept
from pipelines.jobs.states import ACTIVE, StepState
from tests.machines import DurableMachine, check_machine, committed, registered

QUEUES = ("default", "llm")
PIPELINES = tuple(
    Pipeline(
        f"machine.{queue}",
        # Nobody is to run out of attempts here.
        (Step(f"machine.{queue}", queue=queue, retry=Retry(attempts=1000, base=20.0)),),
    )
    for queue in QUEUES
)
COUNTS = st.integers(1, 4)
NUMBERS = st.sampled_from((0, 0, 1))


def _ready() -> Counter[str]:
    """Count the steps that a worker could take now, by queue."""
    rows = JobStep.objects.filter(state=StepState.QUEUED, ready_at__lte=timezone.now())
    return Counter(rows.values_list("queue", flat=True))


class OutboxMachine(DurableMachine):
    """Long queues of jobs of one step each, which are lost, taken, and sent again."""

    def __init__(self) -> None:
        super().__init__()
        self.until_the_end.enter_context(registered(*PIPELINES))
        self.patch = self.until_the_end.enter_context(pytest.MonkeyPatch.context())

    @initialize()
    def begin(self) -> None:
        """Begin with some that wait: an example's rules are drawn from a part of all rules."""
        self.accept(0, 4, is_lost=False)

    @rule(number=NUMBERS, count=COUNTS, is_lost=st.booleans())
    def accept(self, number: int, count: int, is_lost: bool) -> None:
        """Accept some jobs; their messages are lost when the front door dies after the commit."""
        self.broker.is_deaf = is_lost
        with committed():
            for _ in range(count):
                job_accept(pipeline=PIPELINES[number], owner=None, input={})
        self.broker.is_deaf = False

    @rule(number=NUMBERS, count=COUNTS, is_fatal=st.booleans())
    def work(self, number: int, count: int, is_fatal: bool) -> None:
        """Let a worker take the next messages, and do what they ask for, or die with them."""
        for message in self.broker.queues[QUEUES[number]][:count]:
            self.broker.take(message)
            try:
                claim = claims.step_claim(
                    job_id=message.job_id,
                    epoch=message.epoch,
                    name=message.name,
                    worker="w",
                    task_id="t",
                )
            except NotClaimable:
                continue
            if not is_fatal:
                with committed(), claims.step_recording(claim):
                    JobEvent.objects.create(job_id=claim.job_id, type="effect")

    @precondition(lambda self: self.broker.messages())
    @rule(number=st.integers(0, 100))
    def lose(self, number: int) -> None:
        """The broker loses one message of many."""
        waiting = self.broker.messages()
        self.broker.take(waiting[number % len(waiting)])

    @rule(is_up=st.booleans(), is_flushed=st.booleans())
    def break_or_mend_the_broker(self, is_up: bool, is_flushed: bool) -> None:
        """The broker goes, comes back, or loses everything."""
        self.broker.is_up = is_up
        if is_flushed:
            self.broker.queues.clear()

    @rule(seconds=st.sampled_from((1.0, 30.0)))
    def relay_at_once(self, seconds: float) -> None:
        """One relay's round never fills a queue beyond what is ready in it."""
        self.clock.move(seconds)
        before = self._depths()
        relay.tick()
        self._check_depths(before, _ready())

    @rule()
    def relay_after_a_while(self) -> None:
        """A round that is late enough makes up exactly for what is missing, and for no more."""
        self.broker.is_up = True
        relay.tick()  # takes back what the dead held
        self.clock.move(max(settings.REPUBLISH_AFTER, 20.0) + 1)
        never = JobStep.objects.filter(published_at=None, ready_at__lte=timezone.now())
        unsent, before = Counter(never.values_list("queue", flat=True)), self._depths()
        relay.tick()
        ready = _ready()
        assert self._depths() == {
            queue: max(before[queue] + unsent[queue], ready[queue]) for queue in QUEUES
        }

    @rule(point=st.sampled_from(("depths", "publish")), is_late=st.booleans())
    def two_relays(self, point: str, is_late: bool) -> None:
        """Another relay does a whole round while the first counts, or sends its first message."""
        self.clock.move(max(settings.REPUBLISH_AFTER, 20.0) + 1)
        before, sent = self._depths(), len(self.broker.sent)
        with self.patch.context() as patch:
            name = {"depths": "queue_depths", "publish": "publish"}[point]
            real = getattr(dispatch, name)
            patch.setattr(dispatch, name, self._interrupted(patch, name, real, is_late))
            relay.tick()
        doubled = {queue: 2 * count for queue, count in _ready().items()}
        self._check_depths(before, doubled)
        if (point, is_late) != ("depths", True):
            copies = Counter(message.job_id for message in self.broker.sent[sent:])
            assert not copies or max(copies.values()) == 1

    def _interrupted(
        self,
        patch: pytest.MonkeyPatch,
        name: str,
        real: Callable[[Any], Any],
        is_late: bool,
    ) -> Callable[[Any], Any]:
        def interrupted(argument: Any) -> Any:
            patch.setattr(dispatch, name, real)
            if is_late:
                answer = real(argument)
                relay.tick()
                return answer
            relay.tick()
            return real(argument)

        return interrupted

    def _depths(self) -> dict[str, int]:
        return {queue: len(self.broker.queues[queue]) for queue in QUEUES}

    def _check_depths(self, before: dict[str, int], most: dict[str, int] | Counter[str]) -> None:
        for queue, depth in self._depths().items():
            assert depth <= max(before[queue], most.get(queue, 0)), queue

    @invariant()
    def an_effect_is_recorded_once(self) -> None:
        """Each completed step has one effect."""
        effects = JobEvent.objects.filter(type="effect").values_list("job_id", flat=True)
        done = JobStep.objects.filter(state=StepState.COMPLETED).values_list("job_id", flat=True)
        assert Counter(effects) == Counter(done)

    def drain(self) -> None:
        """Every job reaches an end."""
        for _ in range(100):
            relay.tick()
            while any(self._depths().values()):
                for number in range(len(QUEUES)):
                    self.work(number, 100, is_fatal=False)
            if not Job.objects.filter(state__in=ACTIVE).exists():
                self.an_effect_is_recorded_once()
                return
            self.clock.move(100.0)
        raise AssertionError("some jobs never ended")


@pytest.mark.slow
@pytest.mark.timeout(3600)  # for the long profile
@pytest.mark.django_db
def test_what_is_ready_is_sent_in_the_end_and_what_waits_is_not_sent_again() -> None:
    check_machine(OutboxMachine)
