"""How long a process that died stays down."""

from __future__ import annotations

from deploy.local.backoff import Backoff


def test_quick_deaths_wait_twice_as_long_each_time_and_end_hopeless() -> None:
    backoff = Backoff()
    pauses, hopeless = [], []
    for _ in range(8):
        pauses.append(backoff.died(0.1))
        hopeless.append(backoff.hopeless)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert hopeless == [False, False, False, False, False, True, True, True]


def test_a_death_after_a_long_life_begins_anew() -> None:
    backoff = Backoff(quick_deaths=5)
    assert backoff.died(3600.0) == 0.5
    assert backoff.hopeless is False
