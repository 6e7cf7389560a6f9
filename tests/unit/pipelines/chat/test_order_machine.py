"""Turns of a conversation begin in the order accepted, whatever becomes of those before them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import transaction
from django.test import override_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from pipelines.accounts.models import User
from pipelines.chat.models import Conversation
from pipelines.chat.services import conversation_create, conversation_delete, turn_accept
from pipelines.core.errors import (
    Deferred,
    JobCancelled,
    NotClaimable,
    NotFound,
    PermanentError,
    StaleAttempt,
    TransientError,
)
from pipelines.jobs import claims, relay
from pipelines.jobs.claims import Claim
from pipelines.jobs.locks import lock_job
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.services import job_cancel, job_end, job_replay
from pipelines.jobs.states import ACTIVE, JobState, StepState
from tests.machines import DurableMachine, Message, check_machine, committed

CONVERSATIONS = 3
# One less than the conversations, so that a turn may wait for its lane, its owner, or both.
LIMITS = {"OWNER_WINDOW": CONVERSATIONS - 1, "BACKPRESSURE_SECONDS": 0}
NUMBERS = st.integers(0, 30)
ENDS = ("done", "done", "done", "refused", "slow", "not yet", "incomplete")
FAILURES = {
    "refused": PermanentError("no"),
    "slow": TransientError("slow"),
    "not yet": Deferred("not yet", retry_after=5),
}


class OrderMachine(DurableMachine):
    """One owner's conversations, whose turns end in every way."""

    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.until_the_end.enter_context(override_settings(**LIMITS))
        # The jobs of each conversation, as they were accepted; a replay goes to the end.
        self.lanes: list[list[UUID]] = [[] for _ in range(CONVERSATIONS)]

    @initialize()
    def begin(self) -> None:
        """Open the conversations, with some turns in each."""
        self.owner = User.objects.create(username="ada", email="ada@example.com")
        self.conversations = [
            conversation_create(owner=self.owner).pk for _ in range(CONVERSATIONS)
        ]
        for number in (0, 0, 1, 0, 1, 2):
            self.say(number)

    @rule(number=st.sampled_from((0, 0, 0, 1, 2)))
    def say(self, number: int) -> None:
        """Accept a turn; a conversation that was deleted takes none."""
        conversation = self.conversations[number]
        if not Conversation.objects.filter(pk=conversation).exists():
            with pytest.raises(NotFound):
                turn_accept(owner=self.owner, message="hello", conversation_id=conversation)
            return
        with committed():
            turn = turn_accept(owner=self.owner, message="hello", conversation_id=conversation)
        self.lanes[number].append(turn.job.pk)

    @rule(number=st.integers(0, CONVERSATIONS - 1))
    def delete_conversation(self, number: int) -> None:
        """Delete a conversation: nothing of it goes on."""
        found = Conversation.objects.filter(pk=self.conversations[number]).first()
        if found is not None:
            with committed():
                conversation_delete(conversation=found)
            assert not Job.objects.filter(pk__in=self.lanes[number], state__in=ACTIVE).exists()

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        """Cancel a turn that has not ended, at any place of its lane."""
        if active := self._ids(*ACTIVE):
            with committed():
                job_cancel(job_id=active[number % len(active)])

    @rule(number=NUMBERS)
    def replay(self, number: int) -> None:
        """Replay a dead letter: it goes to the end of its lane."""
        if failed := self._ids(JobState.FAILED):
            job_id = failed[number % len(failed)]
            with committed():
                job_replay(job_id=job_id)
            for lane in self.lanes:
                if job_id in lane:
                    lane.remove(job_id)
                    lane.append(job_id)

    @rule(number=NUMBERS)
    def vanish(self, number: int) -> None:
        """A job's row goes, as with its account, and nothing tells the next one."""
        if ids := self._ids(*JobState):
            Job.objects.filter(pk=ids[number % len(ids)]).delete()

    def _ids(self, *states: str) -> list[UUID]:
        found = Job.objects.filter(state__in=states).order_by("pk")
        return list(found.values_list("pk", flat=True))

    def _take(self, message: Message) -> Claim | None:
        """Deliver a message; none may begin while one before it has not ended."""
        try:
            claim = claims.step_claim(
                job_id=message.job_id,
                epoch=message.epoch,
                name=message.name,
                worker="w",
                task_id="t",
            )
        except NotClaimable:
            return None
        lane = next(lane for lane in self.lanes if claim.job_id in lane)
        before = lane[: lane.index(claim.job_id)]
        assert not Job.objects.filter(pk__in=before, state__in=ACTIVE).exists()
        return claim

    @precondition(lambda self: self.broker.messages())
    @rule(target=runs, number=NUMBERS, is_doubled=st.booleans())
    def deliver(
        self, number: int, is_doubled: bool
    ) -> tuple[Message, Claim] | MultipleResults[Any]:
        """Deliver any message that waits; a doubled one stays where it was."""
        waiting = self.broker.messages()
        message = waiting[number % len(waiting)]
        if not is_doubled:
            self.broker.take(message)
        claim = self._take(message)
        return multiple() if claim is None else (message, claim)

    @rule(run=runs, end=st.sampled_from(ENDS))
    def end(self, run: tuple[Message, Claim], end: str) -> None:
        """End an attempt in some way; who has lost the step changes nothing."""
        message, claim = run
        try:
            with committed():
                self._end(claim, end)
        except (StaleAttempt, JobCancelled):
            return
        following = message.following()
        if end == "done" and following is not None:
            self.broker.put(following)

    def _end(self, claim: Claim, end: str) -> None:
        if end in FAILURES:
            claims.step_give_up(claim, FAILURES[end])
            return
        with transaction.atomic():
            with claims.step_recording(claim):
                pass
            if end == "incomplete" and (job := lock_job(claim.job_id)).state in ACTIVE:
                job_end(job, JobState.INCOMPLETE)

    @rule(run=runs, end=st.sampled_from(ENDS))
    def work(self, run: tuple[Message, Claim], end: str) -> None:
        """End an attempt, and let a worker do all that this has set going."""
        self.end(run, end)
        self._work_off()

    @rule(seconds=st.sampled_from((1.0, settings.LEASE_SECONDS + 1, 100.0)))
    def wait(self, seconds: float) -> None:
        """Time passes, and a relay does its round."""
        self.clock.move(seconds)
        with committed():
            relay.tick()

    @rule()
    def flush_the_broker(self) -> None:
        """The broker loses everything."""
        self.broker.queues.clear()

    @invariant()
    def of_each_lane_one_is_under_way(self) -> None:
        """Of one conversation at most one turn is ready or running."""
        moving = JobStep.objects.filter(
            job__state__in=ACTIVE, state__in=[StepState.QUEUED, StepState.IN_PROGRESS]
        ).exclude(state=StepState.QUEUED, ready_at=None)
        jobs = set(moving.values_list("job_id", flat=True))
        for lane in self.lanes:
            assert len(jobs & set(lane)) <= 1

    def _work_off(self) -> None:
        while waiting := self.broker.messages():
            message = waiting[0]
            self.broker.take(message)
            claim = self._take(message)
            if claim is not None:
                self.end((message, claim), "done")
            self.of_each_lane_one_is_under_way()

    def drain(self) -> None:
        """Nobody waits for ever."""
        for _ in range(60):
            with committed():
                relay.tick()
            self._work_off()
            if not self._ids(*ACTIVE):
                return
            self.clock.move(100.0)
        raise AssertionError(f"these wait for ever: {self._ids(*ACTIVE)}")


@pytest.mark.slow
@pytest.mark.timeout(3600)  # for the long profile
@pytest.mark.django_db
def test_turns_begin_in_their_order_and_none_waits_for_ever() -> None:
    check_machine(OrderMachine)
