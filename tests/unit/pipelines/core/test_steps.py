"""How long a step waits before its next attempt."""

from __future__ import annotations

import random

import pytest

from pipelines.core.steps import Retry


@pytest.mark.parametrize(
    ("attempt", "least", "most"), [(1, 1, 2), (2, 2, 4), (3, 4, 8), (4, 5, 10), (1_000, 5, 10)]
)
def test_each_wait_is_twice_the_last_up_to_the_ceiling(
    attempt: int, least: float, most: float
) -> None:
    waits = [Retry(base=2.0, ceiling=10.0).delay(attempt) for _ in range(200)]

    assert min(waits) >= least
    assert max(waits) <= most


def test_what_failed_together_does_not_come_back_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given the two ends of chance, the waits are half and all of the backoff."""
    monkeypatch.setattr(random, "uniform", min)
    least = Retry(base=2.0).delay(1)
    monkeypatch.setattr(random, "uniform", max)

    assert (least, Retry(base=2.0).delay(1)) == (1.0, 2.0)


def test_nobody_comes_back_sooner_than_asked() -> None:
    assert Retry(base=2.0).delay(1, asked=30.0) == 30.0
    assert Retry(base=2.0).delay(1, asked=0.5) >= 1.0
