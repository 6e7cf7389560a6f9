"""The relay sets going what stands still, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError

from pipelines.core import dispatch
from pipelines.core.dispatch import Hint
from pipelines.core.errors import StaleAttempt, TransientError
from pipelines.jobs import relay
from pipelines.jobs.claims import step_give_up, step_recording
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.outbox import publish_due
from tests.unit.pipelines.jobs.conftest import FIRST, SECOND, THIRD, Accept, claim, states

AGO = timedelta(minutes=5)


def _names(hint: Hint) -> list[str]:
    return [step.name for step in hint.steps]


def test_an_expired_lease_comes_back_with_another_attempt(
    accept: Accept, published: list[Hint]
) -> None:
    job = accept()
    lost = claim(job)
    JobStep.objects.filter(pk=lost.step_id).update(lease_expires_at=timezone.now() - AGO)

    assert relay.reclaim_expired() == 1

    step = job.steps.get(name=FIRST.name)
    assert (step.state, step.error_code) == ("queued", "worker_lost")
    assert list(job.events.values_list("type", "detail")) == [
        ("step.started", ""),
        ("step.retrying", "worker_lost: w1 stopped in attempt 1."),
    ]
    JobStep.objects.filter(pk=step.pk).update(ready_at=timezone.now())
    assert publish_due() == 1
    assert [_names(hint) for hint in published] == [["test.first", "test.second", "test.third"]]
    assert claim(job).attempt == 2
    with pytest.raises(StaleAttempt), step_recording(lost):
        pytest.fail("a stale worker must change nothing")


def test_a_lease_that_is_kept_is_left_alone(accept: Accept) -> None:
    job = accept()
    claim(job)

    assert relay.reclaim_expired() == 0
    assert states(job)[:2] == ["in_progress", "in_progress"]


def test_a_step_whose_workers_are_always_lost_becomes_a_dead_letter(accept: Accept) -> None:
    job = accept()
    for _ in range(2):
        JobStep.objects.filter(job=job, name=FIRST.name).update(ready_at=timezone.now())
        JobStep.objects.filter(pk=claim(job).step_id).update(lease_expires_at=timezone.now() - AGO)
        relay.reclaim_expired()

    assert states(job) == ["failed", "failed", "cancelled", "cancelled"]
    assert job.error_code == "worker_lost"


def test_a_due_retry_is_published_and_an_early_one_is_not(
    accept: Accept, published: list[Hint]
) -> None:
    job = accept()
    step_give_up(claim(job), TransientError(retry_after=60))

    assert publish_due() == 0

    JobStep.objects.filter(job=job, name=FIRST.name).update(ready_at=timezone.now())
    assert publish_due() == 1
    assert publish_due() == 0
    assert [hint.job_id for hint in published] == [job.pk]


@pytest.mark.parametrize(("depth", "sent"), [(0, 2), (1, 1), (2, 0)])
def test_only_as_many_are_sent_again_as_are_missing_from_the_queue(
    accept: Accept,
    published: list[Hint],
    monkeypatch: pytest.MonkeyPatch,
    depth: int,
    sent: int,
) -> None:
    for _ in range(2):
        accept()
    JobStep.objects.filter(published_at__isnull=False).update(published_at=timezone.now() - AGO)
    monkeypatch.setattr(dispatch, "queue_depths", lambda names: dict.fromkeys(names, depth))

    assert publish_due() == sent
    assert len(published) == sent


def test_what_was_published_a_moment_ago_is_given_time(
    accept: Accept, published: list[Hint]
) -> None:
    accept()

    assert publish_due() == 0


def test_a_broker_that_is_away_leaves_the_step_for_the_next_round(
    accept: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = accept()
    JobStep.objects.filter(job=job).update(published_at=None)

    def refuse(hint: Hint) -> None:
        raise OperationalError("down")

    monkeypatch.setattr(dispatch, "publish", refuse)

    assert publish_due() == 0
    assert job.steps.get(name=FIRST.name).published_at is None


def test_a_passed_deadline_ends_the_job(accept: Accept, ended: list[str]) -> None:
    late = accept(deadline=timezone.now() - AGO)
    timely = accept(deadline=timezone.now() + AGO)

    assert relay.end_overdue() == 1

    assert states(late)[0] == "failed"
    assert late.error_code == "deadline_exceeded"
    assert states(timely)[0] == "queued"
    assert ended == ["failed"]


def test_a_job_that_nothing_moves_is_woken(accept: Accept) -> None:
    job = accept()
    with step_recording(claim(job)):
        pass
    JobStep.objects.filter(job=job, name=SECOND.name).update(ready_at=None)

    assert relay.wake_stalled() == 1
    assert claim(job, SECOND).attempt == 1
    assert relay.wake_stalled() == 0


def test_a_job_whose_steps_are_all_done_is_completed(accept: Accept) -> None:
    job = accept()
    job.steps.update(state="completed", output={"n": 1}, ready_at=None)
    Job.objects.filter(pk=job.pk).update(state="in_progress")

    assert relay.wake_stalled() == 1

    assert states(job) == ["completed"] * 4
    assert job.output == {"n": 1}


def test_one_job_that_cannot_be_repaired_stops_no_other(
    accept: Accept, published: list[Hint]
) -> None:
    broken, good = accept(), accept()
    for job in (broken, good):
        JobStep.objects.filter(pk=claim(job).step_id).update(lease_expires_at=timezone.now() - AGO)
    broken.steps.filter(name=FIRST.name).update(name="later.step")
    fine = accept()
    fine.steps.update(published_at=None)

    done = relay.tick()

    assert (done["leases"], done["published"]) == (1, 1)
    assert states(broken)[:2] == ["in_progress", "in_progress"]
    assert states(good)[:2] == ["in_progress", "queued"]
    assert [hint.job_id for hint in published] == [fine.pk]


def test_what_only_a_newer_release_knows_is_not_sent_by_this_one(
    accept: Accept, published: list[Hint]
) -> None:
    """Given unsent steps of a name or a queue that is unknown here, only the known are sent."""
    named, queued, followed = accept(), accept(), accept()
    JobStep.objects.update(published_at=None)
    named.steps.filter(name=FIRST.name).update(name="later.step")
    queued.steps.update(queue="later")
    followed.steps.filter(name=THIRD.name).update(name="later.step")

    assert publish_due() == 1

    assert [(hint.job_id, _names(hint)) for hint in published] == [
        (followed.pk, [FIRST.name, SECOND.name])
    ]
    assert list(named.steps.values_list("published_at", flat=True)) == [None] * 3


def test_a_newer_releases_lost_message_is_left_to_it(accept: Accept, published: list[Hint]) -> None:
    """Given a message that was lost in a queue unknown here, counting does not stumble over it."""
    accept().steps.update(queue="later")
    JobStep.objects.filter(ready_at__isnull=False).update(published_at=timezone.now() - AGO)

    assert publish_due() == 0
    assert published == []


def test_a_job_of_a_kind_that_only_a_newer_release_knows_is_not_ended(accept: Accept) -> None:
    """Given a passed deadline, it is left to a relay that knows what the job has reserved."""
    later = accept(deadline=timezone.now() - AGO)
    Job.objects.filter(pk=later.pk).update(kind="later.kind")

    assert relay.end_overdue() == 0
    assert states(later)[0] == "queued"


def test_just_after_an_outage_an_expired_lease_means_nothing(accept: Accept) -> None:
    job = accept()
    JobStep.objects.filter(pk=claim(job).step_id).update(lease_expires_at=timezone.now() - AGO)

    assert relay.tick(reclaim=False)["leases"] == 0
    assert relay.tick()["leases"] == 1


def test_a_job_that_waits_for_its_turn_is_not_woken(accept: Accept) -> None:
    accept(ordering_key="c:1")
    waiting = accept(ordering_key="c:1")

    assert relay.wake_stalled() == 0
    assert waiting.steps.get(name=FIRST.name).ready_at is None


def test_a_lane_whose_first_has_gone_is_woken(accept: Accept) -> None:
    first, second = accept(ordering_key="c:1"), accept(ordering_key="c:1")
    Job.objects.filter(pk=first.pk).delete()

    assert relay.wake_stalled() == 1
    assert claim(second).attempt == 1


def test_a_finished_job_is_left_alone(accept: Accept, published: list[Hint]) -> None:
    job = accept()
    for step in (FIRST, SECOND, THIRD):
        with step_recording(claim(job, step)):
            pass

    assert not any(relay.tick().values())
    assert published == []
