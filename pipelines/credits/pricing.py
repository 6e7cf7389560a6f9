"""What a turn costs, in whole credits: pure arithmetic on a price list and on what was used."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings


class Mode(StrEnum):
    """How turns are paid for."""

    OFF = "off"
    FLAT = "flat"
    USAGE = "usage"


@dataclass(frozen=True)
class Usage:
    """Tokens that a model read and wrote."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class Prices:
    """The price list; only the prices of the mode in force count."""

    mode: Mode
    per_turn: int
    per_1k_input_tokens: int
    per_1k_output_tokens: int

    def cost(self, usage: Usage | None) -> int:
        """Price what was used, rounded up to a whole credit; None, nothing begun, costs nothing."""
        if usage is None or self.mode == Mode.OFF:
            return 0
        if self.mode == Mode.FLAT:
            return self.per_turn
        thousandths = (
            usage.input_tokens * self.per_1k_input_tokens
            + usage.output_tokens * self.per_1k_output_tokens
        )
        return -(-thousandths // 1000)


def prices() -> Prices:
    """Read the price list from the settings."""
    return Prices(
        mode=Mode(settings.CREDITS_MODE),
        per_turn=settings.CREDITS_PER_TURN,
        per_1k_input_tokens=settings.CREDITS_PER_1K_INPUT_TOKENS,
        per_1k_output_tokens=settings.CREDITS_PER_1K_OUTPUT_TOKENS,
    )
