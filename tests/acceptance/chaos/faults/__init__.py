"""The faults, each registered under its name; importing this package fills the register."""

from __future__ import annotations

from tests.acceptance.chaos.faults import (
    broker,
    database,
    deliveries,
    outside,
    points,
    processes,
)
from tests.acceptance.chaos.faults.register import REGISTER, Fault, Missed

__all__ = [
    "REGISTER",
    "Fault",
    "Missed",
    "broker",
    "database",
    "deliveries",
    "outside",
    "points",
    "processes",
]
