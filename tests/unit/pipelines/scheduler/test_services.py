"""A slot is run once."""

from __future__ import annotations

import pytest

from pipelines.jobs.models import Job
from pipelines.scheduler.services import run_start
from workers.scheduler import start

pytestmark = pytest.mark.django_db
SLOT = "2026-11-21T02:00:00+00:00"


def test_two_beats_that_fire_for_one_slot_start_one_job() -> None:
    first, second = (start("scheduler.housekeeping", SLOT) for _ in range(2))

    assert first == second
    job = Job.objects.get()
    assert (job.owner, job.input) == (None, {"slot": SLOT})


def test_each_slot_and_each_kind_has_its_own() -> None:
    run_start("scheduler.housekeeping", SLOT)
    run_start("scheduler.housekeeping", "2026-11-22T02:00:00+00:00")
    run_start("scheduler.statistics", SLOT)

    assert Job.objects.count() == 3


def test_a_run_started_by_hand_always_runs() -> None:
    first, second = (run_start("scheduler.statistics") for _ in range(2))

    assert first != second
