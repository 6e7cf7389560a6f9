"""The governor: how much all workers together may ask of a provider, and when it is let be."""

from workers.engines.governor.registry import governor
from workers.engines.governor.types import (
    Account,
    Governor,
    GovernorConfig,
    Limits,
    Outcome,
    Permit,
    Request,
    Slot,
    Wait,
    WaitCode,
    outcome_of,
)

__all__ = [
    "Account",
    "Governor",
    "GovernorConfig",
    "Limits",
    "Outcome",
    "Permit",
    "Request",
    "Slot",
    "Wait",
    "WaitCode",
    "governor",
    "outcome_of",
]
