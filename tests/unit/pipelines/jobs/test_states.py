"""The transition table."""

from __future__ import annotations

import itertools

import pytest

from pipelines.core.errors import Conflict
from pipelines.jobs.states import FINAL, JOB_MOVES, JobState, check_job_move

ALLOWED = {
    ("queued", "in_progress"),
    ("queued", "cancelled"),
    ("queued", "failed"),
    ("in_progress", "completed"),
    ("in_progress", "failed"),
    ("in_progress", "cancelled"),
    ("in_progress", "incomplete"),
    ("failed", "queued"),
}


@pytest.mark.parametrize(("old", "new"), list(itertools.product(JobState.values, repeat=2)))
def test_exactly_these_moves_are_allowed(old: str, new: str) -> None:
    if (old, new) in ALLOWED:
        check_job_move(old, JobState(new))
    else:
        with pytest.raises(Conflict):
            check_job_move(old, JobState(new))


def test_every_state_has_its_row() -> None:
    assert set(JOB_MOVES) == set(JobState)
    assert set(FINAL) == {"completed", "failed", "cancelled", "incomplete"}
