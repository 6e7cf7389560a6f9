"""What the governor is asked and what it answers: frozen values and two Protocols."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from pipelines.core.errors import ProviderRefused, ProviderUnavailable, RateLimited

WaitCode: TypeAlias = Literal["rate_limited", "at_capacity", "circuit_open"]
# What one request told of its provider: it answered whole; it answered with a refusal or asked
# for a pause; it failed; or nothing, because we left.
Outcome: TypeAlias = Literal["ok", "alive", "failed", "unknown"]


@dataclass(frozen=True)
class Limits:
    """What one key may be used for, by all workers together; 0 is no limit.

    Attributes:
        rpm: Requests in any minute.
        tpm: Tokens in any minute, of prompts and answers; the last request may overdraw it.
        concurrency: Generations at once.
    """

    rpm: int = 0
    tpm: int = 0
    concurrency: int = 0


@dataclass(frozen=True)
class Account:
    """One key at one provider; whoever bears the same key at the same address shares its limits.

    Attributes:
        name: What people call the provider.
        base_url: Its address.
        api_key: The secret; it is left out of `repr` and of Redis.
        limits: What the key may be used for.
        silence: Seconds without a sign of life after which a permit counts as abandoned.
    """

    name: str
    base_url: str
    api_key: str = field(repr=False)
    limits: Limits = Limits()
    silence: float = 70.0

    @property
    def key(self) -> str:
        """A short name of the account that tells nothing of its secret."""
        return hashlib.sha256(f"{self.base_url}\0{self.api_key}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Slot:
    """A moment that was reserved at a provider, and paid for: seconds since the epoch."""

    provider: str
    at: float


@dataclass(frozen=True)
class Request:
    """Who wants to ask a provider for what.

    Attributes:
        who: The job; its next attempt takes over what this one holds.
        attempt: The number of the attempt.
        tokens: An estimate of the tokens of the prompt and of its answer.
        slot: What an earlier `Wait` reserved for the same job.
        is_resumed: Whether the generation runs already, so that it counts as at work, not as new.
    """

    who: str
    attempt: int
    tokens: int = 0
    slot: Slot | None = None
    is_resumed: bool = False


@dataclass(frozen=True)
class Wait:
    """Not now.

    Attributes:
        code: Why.
        seconds: How long to stay away.
        slot: The moment that was reserved, to be shown when coming back; None when none was.
    """

    code: WaitCode
    seconds: float
    slot: Slot | None = None


@dataclass(frozen=True)
class GovernorConfig:
    """How the governor works.

    Attributes:
        url: The Redis that all workers share.
        prefix: In front of each of its keys.
        timeout: Seconds within which Redis must answer; beyond, requests go through ungoverned.
        retry_seconds: How long Redis is then left alone by this process.
        burst_seconds: A limit's worth of this many seconds may be used at once.
        slack_seconds: How late a reserved moment may be used.
        horizon_seconds: How far ahead moments are reserved; those beyond come back and ask again.
        breaker_failures: So many failures in a row open the breaker; 0 is no breaker.
        breaker_seconds: How long it stays open before one request is let through as a probe.
    """

    url: str
    prefix: str = "turnpike:governor:"
    timeout: float = 0.25
    retry_seconds: float = 5.0
    burst_seconds: float = 5.0
    slack_seconds: float = 5.0
    horizon_seconds: float = 60.0
    breaker_failures: int = 5
    breaker_seconds: float = 30.0


class Permit(Protocol):
    """The right to have one request under way; it is given back by `leave`, or runs out."""

    def keep(self) -> None:
        """Show a sign of life; cheap enough for every event."""
        ...

    def leave(self, outcome: Outcome, *, requests: int = 1, tokens: int, pause: float = 0) -> None:
        """Give the permit back, with what was learnt.

        Args:
            outcome: What the request told of its provider.
            requests: How many requests there really were; more than one when a stored response
                was gone and had to be generated afresh.
            tokens: Those that were used, against the estimate.
            pause: Seconds for which the provider asked everybody to stay away.
        """
        ...


class Governor(Protocol):
    """All limits of all providers, shared by every worker."""

    def enter(self, account: Account, request: Request) -> Permit | Wait:
        """Ask to send a request now.

        Whatever is wrong with Redis, the answer comes within the timeout, and is a permit.
        """
        ...


def outcome_of(error: BaseException | None) -> Outcome:
    """Tell what an exception says of the provider: None is a whole answer."""
    if error is None:
        return "ok"
    if isinstance(error, ProviderUnavailable):
        return "failed"
    return "alive" if isinstance(error, RateLimited | ProviderRefused) else "unknown"
