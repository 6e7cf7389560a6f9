"""What a process of the product is: how it starts, and how it is asked to end."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

# A worker may finish what it has in hand (SIGTERM); one that cannot in time is asked to drop it
# (SIGQUIT), and then is killed. The lease in the database brings a dropped step back.
DROP_SECONDS: Final = 3.0


class Stage(IntEnum):
    """The order of ending: who gives work out ends before who does it, and carriers last."""

    WEB = 1
    BEAT = 2
    WORKER = 3
    RELAY = 4
    SANDBOX = 5
    REDIS = 6


@dataclass(frozen=True)
class Process:
    """One process of the product.

    Attributes:
        name: What it is called on the terminal; also the stem of its log's name.
        command: The program and its arguments.
        stage: When it ends, relative to the others.
        grace: Seconds between the request to end and a stronger one.
        environment: Variables of its own.
    """

    name: str
    command: tuple[str, ...]
    stage: Stage
    grace: float = 5.0
    environment: dict[str, str] = field(default_factory=dict)
