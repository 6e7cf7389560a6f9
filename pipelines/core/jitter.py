"""Spreads moments, so that what began together does not stay together."""

from __future__ import annotations

import random


def jittered(seconds: float) -> float:
    """Return a number from half of these seconds to all of them, each time another."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - it guards nothing
