"""Messages that come twice, late, and out of order."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.acceptance.chaos.faults.register import fault
from tests.acceptance.chaos.world import World

_ORDERS = {
    "twice": {"copies": 1, "late": 0.2, "held": 0.0},
    "thrice and late": {"copies": 2, "late": 8.0, "held": 0.0},
    "out of order": {"copies": 1, "late": 4.0, "held": 0.5},
}


@fault("deliveries", tuple(_ORDERS), seconds=(5.0, 10.0), weight=3)
def deliveries(world: World, target: str) -> Iterator[None]:
    """Have every sender send so."""
    asked = world.control / "deliveries"
    draft = asked.with_suffix(".draft")
    draft.write_text(json.dumps(_ORDERS[target]))
    draft.rename(asked)
    yield
    asked.unlink()
