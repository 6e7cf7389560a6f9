"""One short seed, so that the suite itself does not rot; `make chaos` runs the long ones."""

from __future__ import annotations

import pytest

from tests.acceptance.chaos.postgres import find_program
from tests.acceptance.chaos.run import Effort, run_seed
from tests.acceptance.chaos.world import Shape, world

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.long,
    pytest.mark.needs("redis"),
    pytest.mark.skipif(find_program("initdb") is None, reason="needs PostgreSQL's own programs"),
]

SEED = 2


def test_a_short_seed_breaks_no_invariant() -> None:
    with world(Shape(embed=False)) as there:
        result = run_seed(there, SEED, Effort(seconds=12.0, people=2))

    assert result.violations == []
    assert result.faults.total() >= 2
    assert result.states["chat.turn"]["completed"] >= 5
    assert result.states["reports.report"]
