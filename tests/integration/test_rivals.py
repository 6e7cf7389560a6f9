"""What many connections do at once to the same rows of PostgreSQL.

SQLite lets one transaction write at a time, so there is nothing to see there: these run in the
tests' second pass, whose DATABASE_URL names PostgreSQL.
"""

from __future__ import annotations

import itertools
import time
from contextlib import suppress
from uuid import UUID

import pytest
from django.conf import settings

from pipelines.accounts.models import User
from pipelines.chat.models import Message
from pipelines.chat.pipeline import FINISH, GENERATE
from pipelines.chat.services import conversation_delete, turn_accept
from pipelines.core.errors import JobCancelled, NotClaimable, PermanentError, StaleAttempt
from pipelines.jobs import relay
from pipelines.jobs.claims import step_claim, step_give_up, step_recording
from pipelines.jobs.models import Job, JobEvent, JobStep
from pipelines.jobs.outbox import publish_due
from pipelines.jobs.services import job_cancel, job_replay
from pipelines.knowledge.models import Chunk, Document
from pipelines.knowledge.pipeline import EXTRACT
from pipelines.knowledge.services import (
    chunks_replace,
    collection_create,
    collection_delete,
    document_delete,
    document_upload,
)
from tests.integration.rivals import RIVALS, at_once

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs("postgres"),
    pytest.mark.skipif(
        "sqlite" in settings.DATABASES["default"]["ENGINE"], reason="runs in the PostgreSQL pass"
    ),
]


@pytest.fixture
def owner() -> User:
    return User.objects.create(username="ada", email="ada@example.com")


def _claims(job_id: UUID) -> bool:
    try:
        step_claim(job_id=job_id, epoch=1, name=GENERATE.name, worker="w", task_id="t")
    except NotClaimable:
        return False
    return True


def test_of_many_deliveries_exactly_one_claims(owner: User) -> None:
    for _ in range(10):
        job = turn_accept(owner=owner, message="hello").job

        assert sum(at_once(lambda _: _claims(job.pk))) == 1  # noqa: B023 - done before the next

        assert JobStep.objects.get(job=job, name=GENERATE.name).attempt == 1


def test_turns_sent_at_once_stand_in_one_order(owner: User) -> None:
    conversation = turn_accept(owner=owner, message="first").conversation

    at_once(lambda n: turn_accept(owner=owner, message=f"{n}", conversation_id=conversation.pk))

    positions = Message.objects.order_by("position").values_list("position", flat=True)
    assert list(positions) == list(range(0, 2 * RIVALS + 1, 2))
    jobs = Job.objects.order_by("ordering_number")
    assert list(jobs.values_list("ordering_number", flat=True)) == list(range(1, RIVALS + 2))
    assert JobStep.objects.filter(ready_at__isnull=False).count() == 1


def _work_off(number: int) -> None:
    """Do whatever is ready until every job has ended, as a worker that is handed everything."""
    deadline = time.monotonic() + 60
    while (
        time.monotonic() < deadline
        and Job.objects.filter(state__in=["queued", "in_progress"]).exists()
    ):
        ready = JobStep.objects.filter(state="queued", ready_at__isnull=False)
        for job_id, name in ready.order_by("?").values_list("job_id", "name")[:2]:
            try:
                claim = step_claim(
                    job_id=job_id, epoch=1, name=name, worker=f"{number}", task_id=""
                )
                with step_recording(claim) as outcome:
                    outcome.output = {"text": "…"}
            except (NotClaimable, StaleAttempt, JobCancelled):
                continue


def test_turns_of_one_conversation_end_in_their_order_whoever_works(owner: User) -> None:
    conversation = turn_accept(owner=owner, message="first").conversation
    for number in range(20):
        turn_accept(owner=owner, message=str(number), conversation_id=conversation.pk)

    at_once(_work_off, 6)

    jobs = list(Job.objects.order_by("ordering_number"))
    assert [job.state for job in jobs] == ["completed"] * 21
    started = list(
        JobStep.objects.filter(name=GENERATE.name)
        .order_by("started_at")
        .values_list("job", flat=True)
    )
    assert started == [job.pk for job in jobs]
    for before, after in itertools.pairwise(jobs):
        begun = after.steps.get(name=GENERATE.name).started_at
        assert before.finished_at is not None
        assert begun is not None
        assert begun >= before.finished_at
    assert JobEvent.objects.filter(type="step.completed", step=FINISH.name).count() == 21


def test_accepting_cancelling_and_working_never_strand_a_turn(owner: User) -> None:
    conversation = turn_accept(owner=owner, message="first").conversation

    def disturb(number: int) -> None:
        if number < 4:
            _work_off(number)
            return
        for _ in range(5):
            turn = turn_accept(owner=owner, message="x", conversation_id=conversation.pk)
            if number % 2:
                job_cancel(job_id=turn.job.pk)

    at_once(disturb, 8)
    assert relay.wake_stalled() == 0
    _work_off(0)

    assert Job.objects.count() == 21
    assert set(Job.objects.values_list("state", flat=True)) <= {"completed", "cancelled"}


def test_replays_and_new_turns_at_once_keep_one_order(owner: User) -> None:
    turns = [turn_accept(owner=owner, message="first")]
    conversation = turns[0].conversation
    turns += [
        turn_accept(owner=owner, message="x", conversation_id=conversation.pk) for _ in range(7)
    ]
    for turn in turns:
        claim = step_claim(job_id=turn.job.pk, epoch=1, name=GENERATE.name, worker="w", task_id="t")
        step_give_up(claim, PermanentError())

    def disturb(number: int) -> None:
        if number % 2:
            job_replay(job_id=turns[number // 2].job.pk)
        else:
            turn_accept(owner=owner, message="x", conversation_id=conversation.pk)

    at_once(disturb, 16)

    active = Job.objects.filter(state="queued").order_by("ordering_number")
    assert list(active.values_list("ordering_number", flat=True)) == list(range(9, 25))
    ready = JobStep.objects.filter(state="queued", ready_at__isnull=False)
    assert [step.job_id for step in ready] == [active[0].pk]


def test_two_relays_publish_each_step_once(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(settings.OWNER_WINDOW):
        turn_accept(owner=owner, message=str(number))
    JobStep.objects.filter(ready_at__isnull=False).update(published_at=None)
    sent: list[UUID] = []
    monkeypatch.setattr("pipelines.core.dispatch.publish", lambda hint: sent.append(hint.job_id))

    at_once(lambda _: publish_due(), 2)

    assert sorted(sent) == sorted(Job.objects.values_list("pk", flat=True))


def test_jobs_that_come_and_go_at_once_keep_to_their_share(owner: User) -> None:
    """Given more turns than the owner's window, accepted while others end, all get in at last."""
    window = settings.OWNER_WINDOW
    waiting = [turn_accept(owner=owner, message=str(number)).job for number in range(2 * window)]

    def come_and_go(number: int) -> None:
        job_cancel(job_id=waiting[number].pk)
        turn_accept(owner=owner, message="x")

    at_once(come_and_go, window)
    relay.tick()

    ready = JobStep.objects.filter(state="queued", ready_at__isnull=False)
    assert Job.objects.filter(state="queued").count() == 2 * window
    # Two that come at once may both find the last room.
    assert window <= ready.count() <= window + RIVALS


@pytest.mark.parametrize("whole", [False, True], ids=["the document", "the collection"])
def test_deleting_a_document_while_it_is_taken_in_leaves_nothing(owner: User, whole: bool) -> None:
    """Given passages that are written while their document goes, neither side fails."""
    for turn in range(8):
        collection = collection_create(owner=owner, name=f"Notes {turn}")
        document = document_upload(
            owner=owner, collection=collection, name="a.md", declared="", content=b"# A"
        )
        assert document.job is not None
        claim = step_claim(
            job_id=document.job.pk, epoch=1, name=EXTRACT.name, worker="w", task_id="t"
        )

        def race(number: int) -> None:
            if number and whole:
                collection_delete(collection=collection)  # noqa: B023 - done before the next
            elif number:
                document_delete(document=document)  # noqa: B023
            else:
                chunk = Chunk(document=document, position=0, text="A", start=0, end=1)  # noqa: B023
                with suppress(JobCancelled), step_recording(claim):  # noqa: B023
                    chunks_replace(document=document, chunks=[chunk])  # noqa: B023

        at_once(race, 2)

    assert (Document.objects.count(), Chunk.objects.count()) == (0, 0)
    assert set(Job.objects.values_list("state", flat=True)) == {"cancelled"}


def test_deleting_a_conversation_while_it_is_worked_on_ends_every_job(owner: User) -> None:
    conversation = turn_accept(owner=owner, message="first").conversation
    for number in range(10):
        turn_accept(owner=owner, message=str(number), conversation_id=conversation.pk)

    def race(number: int) -> None:
        if number:
            _work_off(number)
        else:
            conversation_delete(conversation=conversation)

    at_once(race, 4)

    assert Message.objects.count() == 0
    assert set(Job.objects.values_list("state", flat=True)) <= {"completed", "cancelled"}
