"""Levels and order of mixed text, against worked examples of UAX #9."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engines.pdf.bidi import embedding_levels, trailing_reset, visual_order


def shown(text: str) -> str:
    base, levels = embedding_levels(text)
    levels = trailing_reset(text, levels, base)
    return "".join(text[index] for index in visual_order(levels))


@pytest.mark.parametrize(
    ("logical", "visual"),
    [
        ("plain text", "plain text"),
        ("car is אבג.", "car is גבא."),
        ("אבג abc דהו", "והד abc גבא"),
        ("אבג 123 דהו", "והד 123 גבא"),
        ("אבג 1,234.5 ב", "ב 1,234.5 גבא"),
        ("אבג 12% ב", "ב 12% גבא"),
        ("אבג (abc) דהו", "והד )abc( גבא"),
        ("abc (אבג) def", "abc (גבא) def"),
        ("a אב (b) גד", "a בא (b) דג"),
        ("مرحبا 12-34", "34-12 ابحرم"),
        ("אבג ", " גבא"),
        ("abc אבג  ", "abc גבא  "),
    ],
)
def test_visual_order(logical: str, visual: str) -> None:
    assert shown(logical) == visual


@given(st.text(alphabet="abאבمر12 .,()%-\u200f\u0301\u202e", max_size=60))
def test_order_is_a_permutation_and_levels_are_small(text: str) -> None:
    base, levels = embedding_levels(text)
    assert base in {0, 1}
    assert set(levels) <= {0, 1, 2}
    assert sorted(visual_order(levels)) == list(range(len(text)))
