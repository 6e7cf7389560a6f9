"""From a limit a minute to what GCRA reckons with."""

from __future__ import annotations

from dataclasses import dataclass

_MINUTE = 60.0


@dataclass(frozen=True)
class Pace:
    """The seconds that one unit costs, and how many seconds' worth may be used ahead of time."""

    interval: float = 0.0
    tolerance: float = 0.0


def pace(limit: int, *, burst_seconds: float, slack_seconds: float) -> Pace:
    """Find the pace at which no minute sees more than `limit` units.

    A burst comes on top of the steady flow, and moments that were reserved may be used late, so
    that a minute can hold what was granted in a little more: the flow leaves room for both.

    Args:
        limit: Units in any 60 seconds; 0 is no limit.
        burst_seconds: How many seconds' worth of the limit may be used at once.
        slack_seconds: How late a reserved moment may be used.
    """
    if not limit:
        return Pace()
    burst = min(limit, max(1, int(limit * burst_seconds / _MINUTE)))
    interval = (_MINUTE + slack_seconds) / (limit - burst + 1)
    return Pace(interval, (burst - 1) * interval)
