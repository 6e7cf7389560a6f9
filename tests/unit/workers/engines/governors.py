"""Two workers' governors over one Redis, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from workers.engines.governor import Account, GovernorConfig, Limits, Request, Wait
from workers.engines.governor.governed import RedisGovernor, _Permit

DATABASE = 13
PREFIX = "turnpike-unit:governor:"
_MOMENTS = ("rpm_tat", "tpm_tat", "pause", "moved", "until", "probe_until")


def account(name: str = "acme", **limits: int) -> Account:
    return Account(name, f"http://{name}/v1", "sk-secret", Limits(**limits), silence=30)


@contextmanager
def governors(redis_url: str, **config: Any) -> Iterator[tuple[RedisGovernor, RedisGovernor]]:
    """Make two that share their state, and leave nothing behind."""
    url = database(redis_url)
    settings = GovernorConfig(url, prefix=PREFIX, timeout=5, **config)
    one, other = RedisGovernor(settings), RedisGovernor(settings)
    with redis.Redis.from_url(url) as client:
        _forget(client)
        try:
            yield one, other
        finally:
            _forget(client)
            one.close()
            other.close()


def database(redis_url: str) -> str:
    """Name the database of these tests."""
    return redis_url.rpartition("/")[0] + f"/{DATABASE}"


def pass_time(redis_url: str, seconds: float) -> None:
    """Move every moment in the state back, as if so much time had passed since."""
    with redis.Redis.from_url(database(redis_url), decode_responses=True) as client:
        for key in client.scan_iter(f"{PREFIX}*"):
            if key.endswith((":permits", ":wakes")):
                for member, _ in client.zscan_iter(key):
                    client.zincrby(key, -seconds, member)
            if key.endswith((":rates", ":breaker")):
                for name, value in client.hgetall(key).items():
                    if name in _MOMENTS and float(value):
                        client.hset(key, name, f"{float(value) - seconds:.6f}")


def _forget(client: redis.Redis) -> None:
    for key in client.scan_iter(f"{PREFIX}*"):
        client.delete(key)


def granted(governor: RedisGovernor, of: Account, who: str, **more: Any) -> _Permit:
    answer = governor.enter(of, Request(who, more.pop("attempt", 1), **more))
    assert isinstance(answer, _Permit), answer
    return answer


def refused(governor: RedisGovernor, of: Account, who: str, **more: Any) -> Wait:
    answer = governor.enter(of, Request(who, more.pop("attempt", 1), **more))
    assert isinstance(answer, Wait), answer
    return answer
