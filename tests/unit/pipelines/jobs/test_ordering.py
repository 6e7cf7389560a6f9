"""Jobs of one ordering key run one after another."""

from __future__ import annotations

import pytest

from pipelines.core.errors import NotClaimable, PermanentError
from pipelines.jobs.claims import step_give_up, step_recording
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel, job_replay
from tests.unit.pipelines.jobs.conftest import FIRST, SECOND, THIRD, Accept, claim


def _finish(job: Job) -> None:
    for step in (FIRST, SECOND, THIRD):
        with step_recording(claim(job, step)):
            pass


def test_a_job_waits_for_the_one_before_it(accept: Accept) -> None:
    first, second = accept(ordering_key="c:1"), accept(ordering_key="c:1")

    with pytest.raises(NotClaimable):
        claim(second)
    assert second.steps.get(name=FIRST.name).reason == "waits for the one before it"

    _finish(first)
    assert claim(second).attempt == 1
    assert (first.ordering_number, second.ordering_number) == (1, 2)


def test_a_failed_job_lets_the_next_begin(accept: Accept) -> None:
    first, second = accept(ordering_key="c:1"), accept(ordering_key="c:1")

    step_give_up(claim(first), PermanentError())

    assert claim(second).attempt == 1


def test_cancelling_one_in_the_middle_releases_nobody_early(accept: Accept) -> None:
    first, second, third = (accept(ordering_key="c:1") for _ in range(3))

    job_cancel(job_id=second.pk)

    with pytest.raises(NotClaimable):
        claim(third)
    _finish(first)
    assert claim(third).attempt == 1


def test_a_replayed_job_goes_to_the_end_of_its_lane(accept: Accept) -> None:
    first, second = accept(ordering_key="c:1"), accept(ordering_key="c:1")
    step_give_up(claim(first), PermanentError())
    claim(second)

    replayed = job_replay(job_id=first.pk)

    assert (replayed.ordering_number, replayed.epoch) == (3, 2)
    with pytest.raises(NotClaimable):
        claim(first, epoch=2)
    job_cancel(job_id=second.pk)
    assert claim(first, epoch=2).attempt == 2


def test_other_keys_do_not_wait(accept: Accept) -> None:
    accept(ordering_key="c:1")

    assert claim(accept(ordering_key="c:2")).attempt == 1
    assert claim(accept()).attempt == 1


def test_after_the_last_has_ended_a_new_one_is_ready(accept: Accept) -> None:
    _finish(accept(ordering_key="c:1"))

    assert claim(accept(ordering_key="c:1")).attempt == 1
