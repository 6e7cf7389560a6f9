"""Counters of requests in Redis, which all front doors share; without it, in this process."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from math import floor

import structlog
from django.conf import settings
from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipelines.core.processes import PerProcess

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Count:
    """What came of counting one request.

    Attributes:
        name: The policy's.
        rate: How many there may be, in how many seconds.
        is_within: Whether this one was.
        left: How many more there may be now.
        seconds: Until one more is free again, about.
    """

    name: str
    rate: RateLimitItem
    is_within: bool
    left: int
    seconds: float


class Counters:
    """Sliding windows, kept where Redis is; a Redis that is slow, full or gone is let be.

    Whoever finds it so waits THROTTLE_TIMEOUT, and for THROTTLE_PAUSE_SECONDS nobody asks it: this
    process then goes by its own counters. After that one request asks again, and only one.
    """

    def __init__(self) -> None:
        """Prepare; nothing is sent yet."""
        shared = RedisStorage(
            settings.REDIS_URL,
            key_prefix=settings.THROTTLE_KEY_PREFIX,
            socket_timeout=settings.THROTTLE_TIMEOUT,
            socket_connect_timeout=settings.THROTTLE_TIMEOUT,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # it goes to redis-py as it is
        )
        self._shared = SlidingWindowCounterRateLimiter(shared)
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._lock = threading.Lock()
        self._ask_at = 0.0
        self._is_away = False

    def hit(self, name: str, rate: RateLimitItem, who: str) -> Count:
        """Count one request of somebody; one that is too many is refused, and not counted."""
        if self._may_ask():
            try:
                count = _hit(self._shared, name, rate, who)
            except RedisError as error:
                self._gone(error)
            else:
                self._back()
                return count
        return _hit(self._own, name, rate, who)

    def _may_ask(self) -> bool:
        if not self._is_away:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._ask_at:
                return False
            self._ask_at = now + settings.THROTTLE_PAUSE_SECONDS
            return True

    def _gone(self, error: RedisError) -> None:
        with self._lock:
            is_news, self._is_away = not self._is_away, True
            self._ask_at = time.monotonic() + settings.THROTTLE_PAUSE_SECONDS
        if is_news:
            log.warning("throttles.redis_unreachable", error=type(error).__name__)

    def _back(self) -> None:
        if self._is_away:
            self._is_away = False
            log.warning("throttles.redis_back")


def _hit(
    limiter: SlidingWindowCounterRateLimiter, name: str, rate: RateLimitItem, who: str
) -> Count:
    is_within = limiter.hit(rate, name, who)
    # Every storage that this strategy takes has it.
    window: tuple[int, float, int, float] = limiter.storage.get_sliding_window(  # type: ignore[attr-defined]
        rate.key_for(name, who), rate.get_expiry()
    )
    return Count(name, rate, is_within, *_room(rate, is_within, *window))


def _room(
    rate: RateLimitItem,
    is_within: bool,
    before: int,
    before_ends: float,
    now: int,
    now_ends: float,
) -> tuple[int, float]:
    """Say how much room there is, and in how many seconds there is more.

    The requests of the window before count the less, the further this window has come.
    """
    length = rate.get_expiry()
    weight = before * before_ends / length + now
    left = max(0, rate.amount - floor(weight)) if is_within else 0
    if before and not is_within and now < rate.amount:
        return left, max(0.0, before_ends - (rate.amount - now) * length / before)
    if before and is_within:
        return left, before_ends % (length / before)
    # It counts for a window longer than it lasts: just begun, it ends in two.
    return left, now_ends % length or length


counters = PerProcess(Counters)
