"""A job's life under duplicated, reordered, stale and lost deliveries, lost workers and relays."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from pipelines.accounts.models import User
from pipelines.core.errors import (
    Conflict,
    Deferred,
    JobCancelled,
    NotClaimable,
    PermanentError,
    RateLimited,
    StaleAttempt,
    TransientError,
    TurnpikeError,
)
from pipelines.core.steps import Pipeline, Retry, Step, step
from pipelines.jobs import claims, relay
from pipelines.jobs.claims import Claim
from pipelines.jobs.models import Job, JobEvent, JobStep
from pipelines.jobs.services import job_accept, job_cancel, job_replay
from pipelines.jobs.states import ACTIVE, JOB_MOVES, JobState, StepState
from tests.machines import DurableMachine, Message, check_machine, committed, registered
from tests.unit.pipelines.jobs.seen import JobSeen, look

# Long waits, so that only the machine's own clock decides what is due.
RETRY = Retry(attempts=2, base=60.0, ceiling=240.0)
THREE = tuple(
    Step(f"machine.{name}", queue=queue, retry=RETRY)
    for name, queue in (("first", "default"), ("second", "llm"), ("third", "default"))
)
# Few, so that an example meets one job again and again.
MOST_JOBS = 8
LANES = ("", "", "c:1", "c:2")
PRIORITIES = (0, 0, 0, -1)
# Small enough for an example to fill them.
WINDOWS = {"OWNER_WINDOW": 3, "OWNER_BULK_WINDOW": 1, "BULK_WINDOW": 1}
PAUSES = (1.0, 5.0, 30.0, 300.0)
ERRORS = (
    TransientError("slow"),
    RateLimited("later", retry_after=90),
    RateLimited("later"),
    Deferred("not yet", retry_after=30),
    Deferred("not yet"),
    PermanentError("no"),
)
STEP_MOVES = {
    StepState.QUEUED: {StepState.IN_PROGRESS, StepState.CANCELLED},
    StepState.IN_PROGRESS: set(StepState) - {StepState.IN_PROGRESS},
    StepState.COMPLETED: set(),
    StepState.FAILED: set(),
    StepState.CANCELLED: set(),
}


class PowerLostError(Exception):
    """The process died at this point."""


def _step_claim(job_id: UUID, epoch: int, name: str) -> Claim:
    return claims.step_claim(job_id=job_id, epoch=epoch, name=name, worker="w", task_id="t")


class JobMachine(DurableMachine):
    """Jobs of two pipelines, whose workers are played by hand."""

    jobs = Bundle("jobs")
    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.ended: Counter[UUID] = Counter()
        self.ends: Counter[UUID] = Counter()
        self.tries: Counter[tuple[UUID, str]] = Counter()
        self.seen: dict[UUID, JobSeen] = {}
        self.is_refusing = False
        hooks = {"on_end": self._on_end, "on_replay": self._on_replay}
        self.pipelines = (
            Pipeline("machine.three", THREE, **hooks),
            Pipeline("machine.one", THREE[1:2], **hooks),
        )
        self.until_the_end.enter_context(registered(*self.pipelines))
        self.until_the_end.enter_context(override_settings(**WINDOWS))

    def _on_end(self, job_id: UUID) -> None:
        self.ended[job_id] += 1

    def _on_replay(self, job_id: UUID) -> None:
        if self.is_refusing:
            raise Conflict("No room.", code="no_room")

    @initialize(
        target=jobs,
        lanes=st.tuples(*[st.sampled_from(LANES)] * 3),
        pipelines=st.tuples(*[st.integers(0, 1)] * 3),
    )
    def begin(self, lanes: tuple[str, ...], pipelines: tuple[int, ...]) -> MultipleResults[UUID]:
        """Begin with some jobs: an example's rules are drawn from a part of all rules."""
        self.owners = [
            User.objects.create(username=name, email=f"{name}@example.com")
            for name in ("ada", "bob")
        ]
        chosen = zip(lanes, pipelines, strict=True)
        return multiple(*(self._accept(kind, lane, 0, 0, None) for lane, kind in chosen))

    # --- clients --------------------------------------------------------------------------

    @precondition(lambda self: len(self.seen) < MOST_JOBS)
    @rule(
        target=jobs,
        pipeline=st.integers(0, 1),
        lane=st.sampled_from(LANES),
        owner=st.integers(0, 1),
        priority=st.sampled_from(PRIORITIES),
        deadline=st.sampled_from((None, None, 20.0, 400.0)),
        is_lost=st.booleans(),
    )
    def accept(
        self,
        pipeline: int,
        lane: str,
        owner: int,
        priority: int,
        deadline: float | None,
        is_lost: bool,
    ) -> UUID:
        """Accept a job; its message is lost when the front door dies after the commit."""
        due = timezone.now() + timedelta(seconds=deadline) if deadline else None
        self.broker.is_deaf = is_lost
        job_id = self._accept(pipeline, lane, owner, priority, due)
        self.broker.is_deaf = False
        return job_id

    def _accept(
        self, pipeline: int, lane: str, owner: int, priority: int, due: datetime | None
    ) -> UUID:
        with committed():
            job = job_accept(
                pipeline=self.pipelines[pipeline],
                owner=self.owners[owner],
                input={},
                ordering_key=lane and f"{lane}:{owner}",
                priority=priority,
                deadline=due,
            )
        return job.pk

    @rule(job_id=jobs)
    def cancel(self, job_id: UUID) -> None:
        """Cancel a job; one that has ended stays as it is."""
        was = self.seen[job_id].state
        with committed():
            job = job_cancel(job_id=job_id)
        assert job.state == (JobState.CANCELLED if was in ACTIVE else was)

    @rule(job_id=jobs)
    def replay_what_has_not_failed(self, job_id: UUID) -> None:
        """Only a dead letter is replayed."""
        was = self.seen[job_id]
        if was.state != JobState.FAILED:
            with pytest.raises(Conflict), committed():
                job_replay(job_id=job_id)
            assert look()[job_id] == was

    @precondition(lambda self: self.failed())
    @rule(number=st.integers(0, MOST_JOBS), is_refused=st.booleans())
    def replay(self, number: int, is_refused: bool) -> None:
        """Replay a dead letter from its failed step; its noun may refuse, and nothing changes."""
        job_id = self.failed()[number % len(self.failed())]
        was, self.is_refusing = self.seen[job_id], is_refused
        if is_refused:
            with pytest.raises(Conflict), committed():
                job_replay(job_id=job_id)
            assert look()[job_id] == was
            return
        with committed():
            job = job_replay(job_id=job_id)
        assert (job.state, job.epoch) == (JobState.QUEUED, was.epoch + 1)
        for row in was.steps:
            if row.state != StepState.COMPLETED:
                self.tries[job_id, row.name] = 0
            with pytest.raises(NotClaimable):
                _step_claim(job_id, was.epoch, row.name)

    def failed(self) -> list[UUID]:
        """The dead letters."""
        return [pk for pk, job in self.seen.items() if job.state == JobState.FAILED]

    # --- workers --------------------------------------------------------------------------

    def _is_claimable(self, job_id: UUID, epoch: int, name: str) -> bool:
        job = self.seen[job_id]
        latest = self.clock.moment + timedelta(seconds=settings.CLOCK_SKEW_SECONDS)
        row = next(row for row in job.steps if row.name == name)
        ready = row.state == StepState.QUEUED and row.ready_at and row.ready_at <= latest
        return bool(job.is_active and job.epoch == epoch and ready)

    def _claim(self, job_id: UUID, epoch: int, name: str) -> Claim | None:
        """Take a step as a worker would; it must succeed exactly when the step is there."""
        expected = self._is_claimable(job_id, epoch, name)
        try:
            claim = _step_claim(job_id, epoch, name)
        except NotClaimable:
            assert not expected
            return None
        assert expected
        self.tries[job_id, name] += 1
        return claim

    @precondition(lambda self: self.broker.messages())
    @rule(target=runs, number=st.integers(0, 50), is_doubled=st.booleans())
    def deliver(
        self, number: int, is_doubled: bool
    ) -> tuple[Message, Claim] | MultipleResults[Any]:
        """Deliver any message that waits, not the oldest; a doubled one stays where it was."""
        message = self._next(number, is_doubled)
        claim = self._claim(message.job_id, message.epoch, message.name)
        return multiple() if claim is None else (message, claim)

    def _next(self, number: int, is_doubled: bool) -> Message:
        waiting = self.broker.messages()
        message = waiting[number % len(waiting)]
        if not is_doubled:
            self.broker.take(message)
        return message

    @rule(target=runs, job_id=jobs, number=st.integers(0, 2), age=st.integers(0, 1))
    def deliver_astray(
        self, job_id: UUID, number: int, age: int
    ) -> tuple[Message, Claim] | MultipleResults[Any]:
        """Deliver what an old chain may still hold: any step, of this or of an older epoch."""
        job = self.seen[job_id]
        name, epoch = job.steps[number % len(job.steps)].name, job.epoch - age
        claim = self._claim(job_id, epoch, name)
        message = Message(job_id, epoch, ((name, step(name).queue),))
        return multiple() if claim is None else (message, claim)

    def _owns(self, claim: Claim) -> type[TurnpikeError] | None:
        """The error that a claim's holder must meet when it writes; None when it owns the step."""
        job = self.seen[claim.job_id]
        if job.state == JobState.CANCELLED:
            return JobCancelled
        row = next(row for row in job.steps if row.name == claim.name)
        is_its = row.attempt == claim.attempt and row.state == StepState.IN_PROGRESS
        return None if is_its and job.is_active else StaleAttempt

    def _record(self, message: Message, claim: Claim, *, dies: str = "") -> None:
        refusal = self._owns(claim)
        with suppress(PowerLostError), committed():
            try:
                with claims.step_recording(claim) as outcome:
                    JobEvent.objects.create(job_id=claim.job_id, type="effect", step=claim.name)
                    outcome.output = {"attempt": claim.attempt}
                    if dies == "before the commit":
                        raise PowerLostError
            except (StaleAttempt, JobCancelled) as error:
                assert type(error) is refusal  # noqa: PT017 - which one is the point
                return
        assert refusal is None
        following = message.following()
        if following is not None and not dies:
            with suppress(OSError):
                if self.broker.is_up:
                    self.broker.put(following)

    @precondition(lambda self: self.broker.messages())
    @rule(number=st.integers(0, 50), is_doubled=st.booleans())
    def work(self, number: int, is_doubled: bool) -> None:
        """Deliver a message, and record what it asks for at once."""
        message = self._next(number, is_doubled)
        claim = self._claim(message.job_id, message.epoch, message.name)
        if claim is not None:
            self.every_move_is_allowed()
            self._record(message, claim)

    @rule(run=runs, dies=st.sampled_from(("", "", "before the commit", "before the next link")))
    def record(self, run: tuple[Message, Claim], dies: str) -> None:
        """Record an effect; whoever has recorded before, or lost the step, must be refused."""
        self._record(*run, dies=dies)

    @rule(run=runs, error=st.sampled_from(ERRORS))
    def give_up(self, run: tuple[Message, Claim], error: TurnpikeError) -> None:
        """Give an attempt up; the retry policy decides what becomes of the job."""
        _, claim = run
        refusal = self._owns(claim)
        if refusal is not None:
            with pytest.raises(refusal):
                claims.step_give_up(claim, error)
            return
        with committed():
            claims.step_give_up(claim, error)
        is_put_off = isinstance(error, Deferred | RateLimited)
        if is_put_off:
            self.tries[claim.job_id, claim.name] -= 1
        job = look()[claim.job_id]
        tries = self.tries[claim.job_id, claim.name]
        is_over = not is_put_off and (not error.retryable or tries >= RETRY.attempts)
        assert job.state == (JobState.FAILED if is_over else JobState.IN_PROGRESS)

    @rule(run=runs)
    def heartbeat(self, run: tuple[Message, Claim]) -> None:
        """Extend a lease; whoever has lost it learns so."""
        _, claim = run
        row = next(row for row in self.seen[claim.job_id].steps if row.name == claim.name)
        holds = row.attempt == claim.attempt and row.state == StepState.IN_PROGRESS
        assert claims.leases_extend([claim]) == (set() if holds else {claim})

    @rule(target=runs, run=runs, wakes=st.booleans())
    def outlast_the_lease(
        self, run: tuple[Message, Claim], wakes: bool
    ) -> tuple[Message, Claim] | MultipleResults[Any]:
        """A worker stalls until another may have its step; it wakes up now, later or never."""
        message, claim = run
        for seconds in (settings.LEASE_SECONDS, RETRY.ceiling):
            self.clock.move(seconds + 1)
            self.tick(is_patient=False)
            self.every_move_is_allowed()
        again = self._claim(message.job_id, message.epoch, claim.name)
        self.every_move_is_allowed()
        if wakes:
            self._record(message, claim)
        return multiple() if again is None else (message, again)

    @rule(run=consumes(runs))
    def die(self, run: tuple[Message, Claim]) -> None:
        """A worker is killed: nobody hears of this run again."""

    # --- what carries, and what repairs ---------------------------------------------------

    @rule(is_up=st.booleans(), is_flushed=st.booleans())
    def break_or_mend_the_broker(self, is_up: bool, is_flushed: bool) -> None:
        """The broker goes, comes back, or loses everything."""
        self.broker.is_up = is_up
        if is_flushed:
            self.broker.queues.clear()

    @rule(seconds=st.sampled_from(PAUSES), is_patient=st.booleans())
    def wait(self, seconds: float, is_patient: bool) -> None:
        """Time passes, and a relay does its round; a patient one takes nothing back."""
        self.clock.move(seconds)
        self.tick(is_patient=is_patient)

    @rule()
    def tick(self, is_patient: bool = False) -> None:
        """One round of a relay: afterwards nothing is lost, overdue, or stands still."""
        with committed():
            relay.tick(reclaim=not is_patient)
        now, jobs = self.clock.moment, look()
        for job in filter(lambda job: job.is_active, jobs.values()):
            late = [row for row in job.steps if row.lease and row.lease < now]
            assert is_patient or not late
            assert job.moves or any(
                other.is_active and other.moves and job.may_wait_for(other)
                for other in jobs.values()
            )
        overdue = Job.objects.filter(state__in=ACTIVE, deadline__lt=now - timedelta(seconds=1))
        assert not overdue.exists()

    # --- what must hold -------------------------------------------------------------------

    @invariant()
    def every_move_is_allowed(self) -> None:
        """Nothing moves but as the tables of transitions say."""
        seen = look()
        for job_id, job in seen.items():
            if job_id in self.seen:
                self._check_move(job_id, self.seen[job_id], job)
            self._check_shape(job_id, job)
        self.seen = seen

    def _check_move(self, job_id: UUID, old: JobSeen, new: JobSeen) -> None:
        if new.state != old.state:
            # A step that is claimed and a job that is so begun are one move each.
            assert new.state in JOB_MOVES[old.state], (old, new)
            if new.state in {JobState.FAILED, JobState.CANCELLED}:
                self.ends[job_id] += 1
        is_replayed = new.epoch == old.epoch + 1
        assert is_replayed or new.epoch == old.epoch
        if not old.is_active and not is_replayed:
            assert new == old
        for was, row in zip(old.steps, new.steps, strict=True):
            if is_replayed and was.state != StepState.COMPLETED:
                assert row.state == StepState.QUEUED
            elif row.state != was.state:
                assert row.state in STEP_MOVES[was.state], (was, row)
            is_claimed = (was.state, row.state) == (StepState.QUEUED, StepState.IN_PROGRESS)
            assert row.attempt == was.attempt + is_claimed

    def _check_shape(self, job_id: UUID, job: JobSeen) -> None:
        running = [row for row in job.steps if row.state == StepState.IN_PROGRESS]
        ready = [row for row in job.steps if row.state == StepState.QUEUED and row.ready_at]
        assert len(running) + len(ready) <= job.is_active, job
        done = [row.state == StepState.COMPLETED for row in job.steps]
        assert done == sorted(done, reverse=True), job
        assert all(done) == (job.state == JobState.COMPLETED)
        for row in job.steps:
            tries = row.attempt - row.forgiven
            assert tries == self.tries[job_id, row.name] <= RETRY.attempts, (job, row)

    @invariant()
    def an_effect_is_recorded_once(self) -> None:
        """Each completed step has one effect, and no other step has any."""
        effects = JobEvent.objects.filter(type="effect").values_list("job_id", "step")
        done = JobStep.objects.filter(state=StepState.COMPLETED).values_list("job_id", "name")
        assert Counter(effects) == Counter(done)

    @invariant()
    def what_ended_early_was_closed_once_each_time(self) -> None:
        """`on_end` runs once for each end but completion."""
        assert self.ended == self.ends

    # --- the end --------------------------------------------------------------------------

    def drain(self) -> None:
        """Every job reaches an end."""
        for _ in range(60):
            with committed():
                relay.tick()
            self.every_move_is_allowed()
            while waiting := self.broker.messages():
                message = waiting[0]
                self.broker.take(message)
                claim = self._claim(message.job_id, message.epoch, message.name)
                self.every_move_is_allowed()
                if claim is not None:
                    self._record(message, claim)
                    self.every_move_is_allowed()
            self.an_effect_is_recorded_once()
            if not any(job.is_active for job in self.seen.values()):
                return
            self.clock.move(250.0)
        raise AssertionError(f"these never ended: {self.seen}")


@pytest.mark.slow
@pytest.mark.timeout(3600)  # for the long profile
@pytest.mark.django_db
def test_a_job_ends_once_whatever_is_doubled_reordered_stale_or_lost() -> None:
    check_machine(JobMachine)
