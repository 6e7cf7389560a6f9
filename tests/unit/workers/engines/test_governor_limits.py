"""The governor's limits, in a real Redis: what one worker takes, another does not get."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
import redis

from tests.unit.workers.engines.governors import (
    PREFIX,
    account,
    database,
    governors,
    granted,
    pass_time,
    refused,
)
from workers.engines.governor import Slot
from workers.engines.governor.gcra import Pace, pace
from workers.engines.governor.governed import RedisGovernor

pytestmark = [pytest.mark.enable_socket, pytest.mark.needs("redis")]
Both = tuple[RedisGovernor, RedisGovernor]


@pytest.fixture
def both(redis_url: str) -> Iterator[Both]:
    with governors(redis_url, burst_seconds=0, slack_seconds=0.5) as pair:
        yield pair


@pytest.mark.parametrize(
    ("limit", "burst", "slack", "expected"),
    [
        (0, 5, 5, Pace()),
        (1, 60, 0, Pace(60, 0)),
        (60, 0, 0, Pace(1, 0)),
        (60, 5, 0, Pace(60 / 56, 4 * 60 / 56)),
        (60, 60, 0, Pace(60, 59 * 60)),
        (60, 0, 6, Pace(1.1, 0)),
    ],
)
def test_the_pace_of_a_limit(limit: int, burst: float, slack: float, expected: Pace) -> None:
    assert pace(limit, burst_seconds=burst, slack_seconds=slack) == expected


@pytest.mark.parametrize("limit", [1, 7, 60, 1000])
@pytest.mark.parametrize("burst", [0.0, 5.0, 30.0, 60.0])
@pytest.mark.parametrize("slack", [0.0, 5.0])
def test_no_minute_sees_more_than_the_limit(limit: int, burst: float, slack: float) -> None:
    steady = pace(limit, burst_seconds=burst, slack_seconds=slack)

    # All that may go in a window that begins late by `slack`: the burst, and the flow.
    most = steady.tolerance / steady.interval + (60 + slack) / steady.interval

    assert most == pytest.approx(limit)


def test_each_waiter_gets_a_moment_of_its_own(both: Both) -> None:
    limited = account(rpm=60)
    granted(both[0], limited, "a")

    waits = [refused(both[n % 2], limited, f"w{n}") for n in range(5)]

    assert {wait.code for wait in waits} == {"rate_limited"}
    moments = [wait.slot.at for wait in waits if wait.slot is not None]
    gaps = [later - sooner for sooner, later in pairwise(moments)]
    assert gaps == pytest.approx([60.5 / 60] * 4, abs=1e-3)
    assert waits[0].seconds == pytest.approx(60.5 / 60, abs=0.5)


def test_a_reserved_moment_is_not_paid_for_twice(both: Both, redis_url: str) -> None:
    limited = account(rpm=600)
    granted(both[0], limited, "a")
    mine = refused(both[0], limited, "b")
    assert mine.slot is not None

    early = refused(both[1], limited, "b", slot=Slot("acme", mine.slot.at + 60))
    pass_time(redis_url, 0.15)
    granted(both[1], limited, "b", slot=Slot("acme", mine.slot.at - 0.15), attempt=2)

    assert early.slot is not None
    following = refused(both[0], limited, "c")
    assert following.slot is not None
    gap = following.slot.at - (mine.slot.at - 0.15)
    assert gap == pytest.approx(60.5 / 600, abs=1e-3)


def test_a_moment_that_is_long_past_is_reserved_anew(both: Both) -> None:
    limited = account(rpm=6)
    granted(both[0], limited, "a")

    wait = refused(both[0], limited, "b", slot=Slot("acme", time.time() - 5))

    assert wait.slot is not None
    assert wait.seconds > 5


def test_moments_are_reserved_only_up_to_the_horizon(redis_url: str) -> None:
    with governors(redis_url, burst_seconds=0, slack_seconds=0, horizon_seconds=10) as (one, _):
        limited = account(rpm=10)
        granted(one, limited, "a")

        waits = [refused(one, limited, f"w{n}") for n in range(4)]
        slots = [wait.slot is not None for wait in waits]

        assert slots == [True, False, False, False]
        assert all(10 <= wait.seconds <= 12.1 for wait in waits[1:])


def test_tokens_are_reckoned_at_the_estimate_and_corrected_by_the_use(both: Both) -> None:
    limited = account(tpm=6000)
    first = granted(both[0], limited, "a", tokens=1000)
    after_estimate = refused(both[1], limited, "b", tokens=0)

    first.leave("ok", tokens=100)
    after_use = refused(both[1], limited, "b", tokens=0)

    assert after_estimate.seconds == pytest.approx(1000 * 60.5 / 6000, abs=0.5)
    assert after_use.seconds == pytest.approx(100 * 60.5 / 6000, abs=0.5)


def test_only_so_many_are_at_work_at_once(both: Both) -> None:
    limited = account(concurrency=2)
    first, _ = granted(both[0], limited, "a"), granted(both[1], limited, "b")

    wait = refused(both[0], limited, "c")
    first.leave("ok", tokens=0)
    granted(both[1], limited, "c", attempt=2)

    assert (wait.code, wait.slot) == ("at_capacity", None)
    assert wait.seconds >= 1
    refused(both[1], limited, "d")


def test_those_who_wait_for_room_come_back_one_after_another(both: Both) -> None:
    limited = account(concurrency=1)
    held = granted(both[0], limited, "a")

    waits = [refused(both[n % 2], limited, f"w{n}").seconds for n in range(4)]

    # Five seconds are the guess of an answer's length while none has been measured.
    for place, seconds in enumerate(waits, start=1):
        assert 5 * place <= seconds <= 5 * place + 2.1
    held.leave("ok", tokens=0)


def test_nobody_overtakes_who_is_due(redis_url: str) -> None:
    with governors(redis_url, slack_seconds=30) as (one, _):
        limited = account(concurrency=1)
        granted(one, limited, "quick").leave("ok", tokens=0)
        held = granted(one, limited, "a")
        assert refused(one, limited, "first").seconds <= 3.1
        pass_time(redis_url, 1)
        held.leave("ok", tokens=0)

        late = refused(one, limited, "late")

        assert late.code == "at_capacity"
        granted(one, limited, "first", attempt=2)


def test_who_never_came_back_holds_nobody_up(redis_url: str) -> None:
    with governors(redis_url, slack_seconds=5) as (one, _):
        limited = account(concurrency=1)
        held = granted(one, limited, "a")
        refused(one, limited, "gone")
        held.leave("ok", tokens=0)
        pass_time(redis_url, 5)
        assert refused(one, limited, "b").code == "at_capacity"

        pass_time(redis_url, 6)

        granted(one, limited, "b")


def test_the_next_attempt_takes_over_what_a_killed_one_held(both: Both) -> None:
    limited = account(concurrency=1)
    stale = granted(both[0], limited, "a", attempt=1)

    granted(both[1], limited, "a", attempt=2)
    stale.leave("unknown", tokens=0)

    assert refused(both[0], limited, "b").code == "at_capacity"


def test_a_permit_that_nobody_keeps_runs_out(both: Both, redis_url: str) -> None:
    limited = account(concurrency=1)
    kept = granted(both[0], limited, "a")
    pass_time(redis_url, 20)
    kept._next_sign = 0
    kept.keep()
    pass_time(redis_url, 20)
    assert refused(both[1], limited, "b").code == "at_capacity"

    pass_time(redis_url, 20)

    granted(both[1], limited, "b", attempt=2)


def test_a_resumed_generation_counts_as_at_work_but_not_as_new(both: Both) -> None:
    limited = account(rpm=1, concurrency=1)
    granted(both[0], limited, "a")

    granted(both[1], limited, "b", is_resumed=True)

    assert refused(both[1], limited, "c").code == "at_capacity"


def test_a_pause_holds_for_every_worker(both: Both) -> None:
    free = account()
    granted(both[0], free, "a").leave("alive", tokens=0, pause=20)

    wait = refused(both[1], free, "b")

    assert wait.code == "rate_limited"
    assert 19 <= wait.seconds <= 20


def test_a_generation_that_was_asked_for_again_is_paid_for(both: Both) -> None:
    limited = account(rpm=60)
    granted(both[0], limited, "a").leave("ok", requests=2, tokens=0)

    assert refused(both[0], limited, "b").seconds == pytest.approx(2 * 60.5 / 60, abs=0.5)


def test_accounts_are_apart_and_their_secrets_stay_here(both: Both, redis_url: str) -> None:
    granted(both[0], account(concurrency=1), "a")
    granted(both[0], account("other", concurrency=1), "a")

    with redis.Redis.from_url(database(redis_url)) as client:
        keys = [key.decode() for key in client.scan_iter(f"{PREFIX}*")]
        assert {client.ttl(key) > 0 for key in keys} == {True}
    assert len({key.partition("{")[2].partition("}")[0] for key in keys}) == 2
    assert not [key for key in keys if "sk-secret" in key]
    assert "sk-secret" not in repr(account())
