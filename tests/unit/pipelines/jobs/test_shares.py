"""Nobody starves the rest: windows for each owner, and one for all bulk work."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from pipelines.accounts.models import User
from pipelines.core.errors import NotClaimable, PermanentError
from pipelines.core.steps import Pipeline
from pipelines.jobs import relay
from pipelines.jobs.claims import step_give_up, step_recording
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_accept, job_cancel, job_replay
from pipelines.jobs.shares import BULK
from tests.unit.pipelines.jobs.conftest import FIRST, SECOND, THIRD, Accept, claim


@pytest.fixture(autouse=True)
def windows(settings: Settings) -> None:
    """Two interactive jobs of one owner, one bulk job of one owner, two of all."""
    settings.OWNER_WINDOW, settings.OWNER_BULK_WINDOW, settings.BULK_WINDOW = 2, 1, 2


@pytest.fixture
def other(db: None) -> User:
    """Somebody else."""
    return User.objects.create(username="grace", email="grace@example.com")


@pytest.fixture
def third(db: None) -> User:
    """One more."""
    return User.objects.create(username="joan", email="joan@example.com")


def finish(job: Job) -> None:
    """Run a job to its end."""
    for step in (FIRST, SECOND, THIRD):
        with step_recording(claim(job, step)):
            pass


def let_in(*jobs: Job) -> list[bool]:
    """Whether each job's first step is ready."""
    return [job.steps.filter(name=FIRST.name, ready_at__isnull=False).exists() for job in jobs]


def test_the_job_beyond_the_window_waits_and_says_why(accept: Accept) -> None:
    jobs = [accept() for _ in range(3)]

    assert let_in(*jobs) == [True, True, False]
    assert jobs[2].steps.get(name=FIRST.name).reason == "waits for its owner's other jobs"
    with pytest.raises(NotClaimable):
        claim(jobs[2])


def test_another_owner_does_not_wait(accept: Accept, pipeline: Pipeline, other: User) -> None:
    for _ in range(5):
        accept()

    assert let_in(job_accept(pipeline=pipeline, owner=other, input={})) == [True]


@pytest.mark.parametrize("end", [finish, lambda job: job_cancel(job_id=job.pk)])
def test_each_end_lets_the_oldest_in(accept: Accept, end: Accept) -> None:
    jobs = [accept() for _ in range(4)]

    end(jobs[0])

    assert let_in(*jobs[1:]) == [True, True, False]
    assert claim(jobs[2]).attempt == 1


def test_the_end_of_one_that_waited_makes_no_room(accept: Accept) -> None:
    jobs = [accept() for _ in range(4)]

    job_cancel(job_id=jobs[2].pk)

    assert let_in(jobs[3]) == [False]


def test_the_house_and_what_follows_from_a_job_never_wait(
    accept: Accept, pipeline: Pipeline, owner: User
) -> None:
    parent, *_ = (accept() for _ in range(3))

    child = job_accept(pipeline=pipeline, owner=owner, input={}, parent=parent)
    house = job_accept(pipeline=pipeline, owner=None, input={})

    assert let_in(child, house) == [True, True]
    finish(child)
    assert let_in(accept()) == [False]


def test_the_next_of_a_lane_takes_the_place_of_the_one_before_it(accept: Accept) -> None:
    first, second = accept(ordering_key="c:1"), accept(ordering_key="c:1")
    full, waiting = accept(), accept()
    assert let_in(first, second, full, waiting) == [True, False, True, False]

    finish(first)

    assert let_in(second, waiting) == [True, False]


def test_a_lane_that_has_no_room_keeps_its_order(accept: Accept) -> None:
    inside = [accept(), accept()]
    head, tail = accept(ordering_key="c:1"), accept(ordering_key="c:1")

    job_cancel(job_id=head.pk)
    assert let_in(tail) == [False]
    tail.refresh_from_db()
    assert tail.waits_for == "share"
    assert tail.steps.get(name=FIRST.name).reason == "waits for its owner's other jobs"

    finish(inside[0])
    assert let_in(tail) == [True]


def test_bulk_work_has_a_window_of_its_own(
    accept: Accept, pipeline: Pipeline, other: User, third: User
) -> None:
    mine = [accept(priority=BULK) for _ in range(2)]
    theirs = job_accept(pipeline=pipeline, owner=other, input={}, priority=BULK)
    last = job_accept(pipeline=pipeline, owner=third, input={}, priority=BULK)
    # One for each owner, two in all; and it takes no room from what somebody waits for.
    assert let_in(*mine, theirs, last) == [True, False, True, False]
    assert let_in(accept(), accept()) == [True, True]

    finish(theirs)
    # Mine is older but has its share.
    assert let_in(mine[1], last) == [False, True]


def test_a_replay_waits_for_room_like_any_other(accept: Accept) -> None:
    failed = accept()
    step_give_up(claim(failed), PermanentError())
    accept(), accept()

    job_replay(job_id=failed.pk)

    assert let_in(failed) == [False]


def test_the_relay_lets_in_what_nobody_let_in(
    accept: Accept, pipeline: Pipeline, other: User, settings: Settings
) -> None:
    mine = [accept() for _ in range(4)]
    theirs = [job_accept(pipeline=pipeline, owner=other, input={}) for _ in range(4)]
    assert relay.admit_waiting() == 0

    settings.OWNER_WINDOW = 3

    assert relay.admit_waiting() == 2
    assert let_in(*mine, *theirs) == [True, True, True, False] * 2


def test_the_relay_lets_bulk_in_up_to_both_windows(
    accept: Accept, pipeline: Pipeline, other: User, settings: Settings
) -> None:
    settings.BULK_WINDOW = 1
    mine = [accept(priority=BULK) for _ in range(3)]
    theirs = [job_accept(pipeline=pipeline, owner=other, input={}, priority=BULK) for _ in range(3)]
    settings.BULK_WINDOW, settings.OWNER_BULK_WINDOW = 3, 2

    assert relay.admit_waiting() == 2
    assert sum(let_in(*mine, *theirs)) == 3
    assert sum(let_in(*mine)) <= 2


def test_waiting_for_a_share_is_not_standing_still(accept: Accept) -> None:
    jobs = [accept() for _ in range(3)]

    assert relay.wake_stalled() == 0
    assert let_in(jobs[2]) == [False]
