"""The governor over Redis, which never holds up a request for longer than its timeout."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.engines.governor.gcra import Pace, pace
from workers.engines.governor.scripts import ENTER, KEEP, LEAVE
from workers.engines.governor.types import (
    Account,
    GovernorConfig,
    Outcome,
    Permit,
    Request,
    Slot,
    Wait,
)

log = structlog.get_logger(__name__)

_PARTS = ("rates", "permits", "arrivals", "wakes", "breaker")
_WARN_SECONDS = 60.0
# A sign of life each third of a permit's life: two may be lost.
_SIGNS = 3


class RedisGovernor:
    """A `Governor` whose state is in Redis, so that all workers share it."""

    def __init__(self, config: GovernorConfig) -> None:
        """Prepare; nothing is sent yet."""
        self._config = config
        client = Redis.from_url(
            config.url,
            decode_responses=True,
            socket_timeout=config.timeout,
            socket_connect_timeout=config.timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._enter, self._keep, self._leave = map(client.register_script, (ENTER, KEEP, LEAVE))
        self.close = client.close
        self._away_until = 0.0
        self._quiet_until = 0.0
        self._lock = threading.Lock()

    def enter(self, account: Account, request: Request) -> Permit | Wait:
        """Ask to send a request now; see `Governor.enter`."""
        config, slot = self._config, request.slot
        requests, tokens = self._paces(account)
        answer = self._ask(
            self._enter,
            account,
            request.who,
            request.attempt,
            int(request.is_resumed),
            f"{slot.at:.6f}" if slot is not None and slot.provider == account.name else 0,
            request.tokens,
            requests.interval,
            requests.tolerance,
            tokens.interval,
            tokens.tolerance,
            config.slack_seconds,
            config.horizon_seconds,
            account.limits.concurrency,
            account.silence,
            config.breaker_seconds,
        )
        if answer is None:
            return _Ungoverned()
        verdict, moment, now, reserved = answer[0], *map(float, answer[1:])
        if verdict == "granted":
            return _Permit(self, account, request)
        seconds = moment - now
        if not reserved or verdict == "circuit_open":
            # Those who were told the same moment shall not all come at it.
            seconds += random.uniform(0, min(seconds, 2.0))  # noqa: S311 - not a secret
        return Wait(verdict, seconds, Slot(account.name, reserved) if reserved else None)

    def keep(self, account: Account, request: Request) -> bool:
        """Put off a permit's end; say whether Redis knows."""
        answer = self._ask(self._keep, account, request.who, request.attempt, account.silence)
        return answer is not None

    def leave(
        self,
        account: Account,
        request: Request,
        outcome: Outcome,
        *,
        seconds: float,
        requests: int,
        tokens: int,
        pause: float,
    ) -> None:
        """Take a permit back; see `Permit.leave`."""
        config = self._config
        pace_requests, pace_tokens = self._paces(account)
        became = self._ask(
            self._leave,
            account,
            request.who,
            request.attempt,
            outcome,
            f"{max(seconds, 0.001):.6f}",
            requests - 1,
            tokens - request.tokens,
            pace_requests.interval,
            pace_tokens.interval,
            pause,
            config.breaker_failures,
            config.breaker_seconds,
        )
        if became:
            log.warning("governor.breaker", provider=account.name, became=became)

    def _paces(self, account: Account) -> tuple[Pace, Pace]:
        burst, slack = self._config.burst_seconds, self._config.slack_seconds
        limits = account.limits
        return (
            pace(limits.rpm, burst_seconds=burst, slack_seconds=slack),
            pace(limits.tpm, burst_seconds=burst, slack_seconds=slack),
        )

    def _ask(self, script: Callable[..., Any], account: Account, *arguments: object) -> Any:
        """Run a script on an account's keys; None when Redis is away, or was a moment ago."""
        if time.monotonic() < self._away_until:
            return None
        # The braces keep an account's keys on one node of a cluster.
        keys = [f"{self._config.prefix}{{{account.key}}}:{part}" for part in _PARTS]
        try:
            return script(keys=keys, args=list(arguments))
        except RedisError as error:
            self._gone(error)
            return None

    def _gone(self, error: RedisError) -> None:
        now = time.monotonic()
        with self._lock:
            self._away_until = now + self._config.retry_seconds
            if now < self._quiet_until:
                return
            self._quiet_until = now + _WARN_SECONDS
        log.warning("governor.redis_unreachable", error=type(error).__name__)


class _Permit:
    """A permit that Redis knows of; once Redis does not answer, it asks no more."""

    def __init__(self, governor: RedisGovernor, account: Account, request: Request) -> None:
        self._governor = governor
        self._account = account
        self._request = request
        self._began = time.monotonic()
        self._next_sign = self._began + account.silence / _SIGNS
        self._is_known = True

    def keep(self) -> None:
        now = time.monotonic()
        if self._is_known and now >= self._next_sign:
            self._next_sign = now + self._account.silence / _SIGNS
            self._is_known = self._governor.keep(self._account, self._request)

    def leave(self, outcome: Outcome, *, requests: int = 1, tokens: int, pause: float = 0) -> None:
        if self._is_known:
            self._governor.leave(
                self._account,
                self._request,
                outcome,
                seconds=time.monotonic() - self._began,
                requests=requests,
                tokens=tokens,
                pause=pause,
            )


class _Ungoverned:
    """The permit of a request that Redis could not be asked about."""

    def keep(self) -> None:
        """Do nothing: nobody counts."""

    def leave(self, outcome: Outcome, *, requests: int = 1, tokens: int, pause: float = 0) -> None:
        """Do nothing, either."""
