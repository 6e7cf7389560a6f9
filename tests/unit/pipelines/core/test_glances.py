"""What was seen a moment ago is gone by for a moment more."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from pipelines.core import glances
from pipelines.core.glances import Glance


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def monotonic(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Clock:
    settings.GLANCE_SECONDS = 1.0
    clock = Clock()
    monkeypatch.setattr(glances, "time", clock)
    return clock


def test_one_look_serves_for_a_moment_and_then_another_is_taken(clock: Clock) -> None:
    looks: list[float] = []

    def look() -> int:
        looks.append(clock.now)
        return len(looks)

    glance = Glance(look)

    assert [glance(), glance()] == [1, 1]
    clock.now += 0.999
    assert glance() == 1
    clock.now += 0.001
    assert glance() == 2
    assert looks == [100.0, 101.0]


def test_nothing_is_a_thing_to_have_seen(clock: Clock) -> None:
    looks: list[None] = []
    glance = Glance(lambda: looks.append(None))

    assert [glance(), glance()] == [None, None]
    assert len(looks) == 1


def test_a_look_that_went_wrong_is_taken_again(clock: Clock) -> None:
    away = [OSError("away")]

    def look() -> str:
        if away:
            raise away.pop()
        return "seen"

    glance = Glance(look)

    with pytest.raises(OSError, match="away"):
        glance()
    assert glance() == "seen"


def test_zero_seconds_look_each_time(clock: Clock, settings: Settings) -> None:
    settings.GLANCE_SECONDS = 0.0
    glance = Glance(iter(range(9)).__next__)

    assert [glance(), glance(), glance()] == [0, 1, 2]
