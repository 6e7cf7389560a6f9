"""The governor's breaker in a real Redis, and the governor without one."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from pipelines.core.errors import (
    JobCancelled,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
    StaleAttempt,
)
from tests.unit.workers.engines.governors import account, governors, granted, pass_time, refused
from workers.engines.governor import GovernorConfig, Outcome, Request, Wait, outcome_of
from workers.engines.governor.governed import RedisGovernor

pytestmark = [pytest.mark.enable_socket, pytest.mark.needs("redis")]
Both = tuple[RedisGovernor, RedisGovernor]
ACME = account()


@pytest.fixture
def both(redis_url: str) -> Iterator[Both]:
    with governors(redis_url, breaker_failures=3, breaker_seconds=20) as pair:
        yield pair


def _tell(governor: RedisGovernor, *outcomes: Outcome, who: str = "a") -> None:
    for outcome in outcomes:
        granted(governor, ACME, who).leave(outcome, tokens=0)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (ProviderUnavailable(), "failed"),
        (RateLimited(), "alive"),
        (ProviderRefused(), "alive"),
        (JobCancelled(), "unknown"),
        (StaleAttempt(), "unknown"),
        (ValueError(), "unknown"),
    ],
)
def test_what_an_error_tells_of_its_provider(error: BaseException | None, outcome: Outcome) -> None:
    assert outcome_of(error) == outcome


def test_failures_in_a_row_open_it_for_every_worker(both: Both) -> None:
    _tell(both[0], "failed", "failed", "failed")

    wait = refused(both[1], ACME, "b")

    assert wait.code == "circuit_open"
    assert 10 < wait.seconds <= 22
    granted(both[1], account("other"), "b")


@pytest.mark.parametrize("between", ["ok", "alive", "unknown"])
def test_what_is_no_failure_does_not_open_it(both: Both, between: Outcome) -> None:
    _tell(both[0], *([between] * 5), "failed", "failed", between)

    granted(both[1], ACME, "b")


def test_an_answer_in_between_begins_the_count_anew(both: Both) -> None:
    _tell(both[0], "failed", "failed", "ok", "failed", "failed")

    granted(both[1], ACME, "b")


def test_then_one_probe_is_let_through_and_closes_it(both: Both, redis_url: str) -> None:
    _tell(both[0], "failed", "failed", "failed")
    pass_time(redis_url, 21)

    probe = granted(both[0], ACME, "probe")
    meanwhile = refused(both[1], ACME, "b")
    probe.leave("ok", tokens=0)

    assert meanwhile.code == "circuit_open"
    _tell(both[1], "failed", "failed")
    granted(both[1], ACME, "b")


@pytest.mark.parametrize(("outcome", "is_open"), [("failed", True), ("alive", False)])
def test_a_probe_decides(both: Both, redis_url: str, outcome: Outcome, is_open: bool) -> None:
    _tell(both[0], "failed", "failed", "failed")
    pass_time(redis_url, 21)

    _tell(both[0], outcome, who="probe")

    assert isinstance(both[1].enter(ACME, Request("b", 1)), Wait) is is_open


def test_a_probe_that_tells_nothing_leaves_the_place_to_the_next(
    both: Both, redis_url: str
) -> None:
    _tell(both[0], "failed", "failed", "failed")
    pass_time(redis_url, 21)

    _tell(both[0], "unknown", who="probe")

    granted(both[1], ACME, "next")
    assert refused(both[1], ACME, "b").code == "circuit_open"


def test_what_was_under_way_when_it_opened_changes_nothing(both: Both) -> None:
    slow = [granted(both[0], ACME, name) for name in ("well", "ill")]
    _tell(both[0], "failed", "failed", "failed")

    slow[0].leave("ok", tokens=0)
    slow[1].leave("failed", tokens=0)

    wait = refused(both[1], ACME, "b")
    assert wait.code == "circuit_open"
    assert wait.seconds <= 22


def test_without_failures_to_count_there_is_none(redis_url: str) -> None:
    with governors(redis_url, breaker_failures=0) as (one, _):
        for _ in range(9):
            _tell(one, "failed")

        granted(one, ACME, "b")


@contextmanager
def _frozen_server() -> Iterator[str]:
    """Give the address of a server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_a_frozen_redis_lets_everything_through_and_is_left_alone() -> None:
    with _frozen_server() as url:
        lonely = RedisGovernor(GovernorConfig(url, timeout=0.2, retry_seconds=60))
        begin = time.monotonic()
        with capture_logs() as logs:
            answers = [lonely.enter(account(rpm=1), Request(f"w{n}", 1)) for n in range(50)]
            for permit in answers:
                assert not isinstance(permit, Wait)
                permit.keep()
                permit.leave("ok", tokens=0)
        lonely.close()

    # One timeout for all of them, with room for a busy machine.
    assert time.monotonic() - begin < 2
    assert [row["event"] for row in logs] == ["governor.redis_unreachable"]


def test_a_redis_that_freezes_in_mid_stream_costs_one_timeout(redis_url: str) -> None:
    with governors(redis_url) as (one, _), _frozen_server() as url:
        brief = account(concurrency=1)
        permit = granted(one, brief, "a")
        frozen = RedisGovernor(GovernorConfig(url, timeout=0.1, retry_seconds=0))
        permit._governor = frozen
        permit._next_sign = 0
        with capture_logs() as logs:
            permit.keep()
            permit._next_sign = 0
            permit.keep()
            permit.leave("ok", tokens=0)
        frozen.close()

    assert permit._is_known is False
    assert len(logs) == 1


def test_the_warning_comes_again_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    gone = RedisGovernor(GovernorConfig("redis://127.0.0.1:1/0", retry_seconds=5))
    with capture_logs() as logs:
        for _ in range(13):
            gone.enter(ACME, Request("a", 1))
            now += 6
    gone.close()

    assert len(logs) == 2
