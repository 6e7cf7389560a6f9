"""What is charged for what was used, to the credit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from pipelines.credits.pricing import Mode, Prices, Usage, prices

PRICES = st.integers(0, 10**9)
TOKENS = st.integers(0, 2**31)


def _by_usage(per_1k_input: int, per_1k_output: int) -> Prices:
    return Prices(Mode.USAGE, 7, per_1k_input, per_1k_output)


@pytest.mark.parametrize(
    ("input_tokens", "output_tokens", "cost"),
    [
        (0, 0, 0),
        (1, 0, 1),
        (0, 1, 1),
        (333, 0, 1),
        (334, 0, 2),
        (1000, 0, 3),
        (1001, 0, 4),
        (0, 100, 1),
        (0, 101, 2),
        (1000, 1000, 13),
        (1001, 1001, 14),
    ],
)
def test_usage_is_rounded_up_once(input_tokens: int, output_tokens: int, cost: int) -> None:
    assert _by_usage(3, 10).cost(Usage(input_tokens, output_tokens)) == cost


def test_a_flat_price_does_not_look_at_the_tokens() -> None:
    flat = Prices(Mode.FLAT, 7, 3, 10)

    assert [flat.cost(usage) for usage in (Usage(0, 0), Usage(9**9, 9**9))] == [7, 7]


@pytest.mark.parametrize("mode", Mode)
def test_what_has_not_begun_costs_nothing(mode: Mode) -> None:
    assert Prices(mode, 7, 3, 10).cost(None) == 0


def test_nothing_costs_anything_while_credits_are_off() -> None:
    assert Prices(Mode.OFF, 7, 3, 10).cost(Usage(1000, 1000)) == 0


@given(PRICES, PRICES, TOKENS, TOKENS, TOKENS, TOKENS)
def test_more_never_costs_less_and_all_fits_into_a_column(
    per_input: int, per_output: int, read: int, written: int, more_read: int, more_written: int
) -> None:
    price = _by_usage(per_input, per_output)

    less = price.cost(Usage(read, written))
    more = price.cost(Usage(read + more_read, written + more_written))

    assert 0 <= less <= more < 2**63
    thousandths = read * per_input + written * per_output
    assert 1000 * (less - 1) < thousandths <= 1000 * less


def test_the_price_list_is_the_settings(settings: Settings) -> None:
    settings.CREDITS_MODE = "usage"
    settings.CREDITS_PER_TURN = 5
    settings.CREDITS_PER_1K_INPUT_TOKENS = 6
    settings.CREDITS_PER_1K_OUTPUT_TOKENS = 7

    assert prices() == Prices(Mode.USAGE, 5, 6, 7)
