"""Delivery of webhooks to addresses that strangers chose."""

from __future__ import annotations

from workers.engines.courier.types import (
    Answer,
    Courier,
    CourierConfig,
    ForbiddenAddress,
    Parcel,
    Unreachable,
)

__all__ = [
    "Answer",
    "Courier",
    "CourierConfig",
    "ForbiddenAddress",
    "Parcel",
    "Unreachable",
    "courier",
]


def courier(config: CourierConfig) -> Courier:
    """Make what delivers over HTTP; the HTTP library is imported only here."""
    from workers.engines.courier.http import HttpCourier

    return HttpCourier(config)
