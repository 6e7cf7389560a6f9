"""A seed stands for its faults: the same ones each time, and together all of them."""

from __future__ import annotations

import itertools

import pytest

from pipelines.core.steps import declared_steps
from tests.acceptance.chaos.faults import REGISTER, points
from tests.acceptance.chaos.schedule import ALWAYS, OVERLAPPING, _subject, plan

FAULTS = list(REGISTER.values())
SECONDS = 40.0


def test_a_seed_gives_the_same_plan_each_time() -> None:
    assert plan(17, SECONDS, FAULTS) == plan(17, SECONDS, FAULTS)
    assert plan(17, SECONDS, FAULTS) != plan(18, SECONDS, FAULTS)


@pytest.mark.parametrize("seed", range(1, 9))
def test_the_faults_of_a_lane_do_not_overlap(seed: int) -> None:
    lanes = plan(seed, SECONDS, FAULTS)

    assert len(lanes) == (2 if seed % OVERLAPPING == 0 else 1)
    assert {one.kind for one in lanes[0][: len(ALWAYS)]} == set(ALWAYS)
    for lane in lanes:
        assert lane[0].at >= 0
        assert all(one.at + one.seconds < two.at for one, two in itertools.pairwise(lane))


def test_two_lanes_never_hold_the_same_thing() -> None:
    for seed in range(0, 100, OVERLAPPING):
        one, two = ({_subject(each.kind) for each in lane} for lane in plan(seed, SECONDS, FAULTS))
        assert two
        assert one & two == set()


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_fifty_seeds_hold_every_kind_of_fault(broker: str) -> None:
    possible = [fault for fault in FAULTS if broker in fault.brokers]

    seen = {
        one.kind for seed in range(50) for lane in plan(seed, SECONDS, possible) for one in lane
    }

    assert seen == {fault.kind for fault in possible}


def test_every_point_is_in_a_step_that_there_is() -> None:
    named = {*points.TURN, *points.REPORT, *points.KNOWLEDGE}

    assert named <= set(declared_steps())
