"""The governor of this process."""

from __future__ import annotations

from workers.engines.governor.governed import RedisGovernor
from workers.engines.governor.types import Governor, GovernorConfig


def governor(config: GovernorConfig) -> Governor:
    """Make a governor; all threads of a process share one and its connections."""
    return RedisGovernor(config)
