"""The page of security accounts for each requirement once, and names tests that there are."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
# OWASP ASVS 5.0: how many requirements of levels 1 and 2 each section has, numbered from 1.
# fmt: off
SECTIONS = {
    "1.1": 2, "1.2": 9, "1.3": 11, "1.4": 3, "1.5": 2,
    "2.1": 3, "2.2": 3, "2.3": 4, "2.4": 1,
    "3.2": 2, "3.3": 4, "3.4": 6, "3.5": 5, "3.7": 2,
    "4.1": 3, "4.2": 1, "4.3": 2, "4.4": 4,
    "5.1": 1, "5.2": 3, "5.3": 2, "5.4": 3,
    "6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4,
    "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2,
    "8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1,
    "9.1": 3, "9.2": 4,
    "10.1": 2, "10.2": 2, "10.3": 4, "10.4": 11, "10.5": 5, "10.6": 2, "10.7": 3,
    "11.1": 2, "11.2": 3, "11.3": 3, "11.4": 4, "11.5": 1, "11.6": 1,
    "12.1": 3, "12.2": 2, "12.3": 4,
    "13.1": 1, "13.2": 5, "13.3": 2, "13.4": 5,
    "14.1": 2, "14.2": 4, "14.3": 3,
    "15.1": 3, "15.2": 3, "15.3": 7,
    "16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 3,
    "17.1": 1, "17.2": 4, "17.3": 2,
}
# fmt: on
NUMBERS = [
    f"{section}.{last}" for section, count in SECTIONS.items() for last in range(1, count + 1)
]
_ROW = re.compile(r"^\| ([\d., ]+) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`([^`\s]+)::([^`\s]+)`")


def _rows() -> list[tuple[list[str], list[str]]]:
    """Return each row's numbers and its other cells; a section or a chapter is all that it has."""
    return [
        ([number for given in first.split(", ") for number in _numbers(given)], rest.split(" | "))
        for first, rest in _ROW.findall(PAGE.read_text())
    ]


def _numbers(given: str) -> Iterator[str]:
    found = [number for number in NUMBERS if f"{number}.".startswith(f"{given}.")]
    assert found, f"{given} is no number"
    yield from found


@cache
def _tests(path: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_requirement_is_accounted_for_once() -> None:
    assert len(NUMBERS) == 253
    told = Counter(number for numbers, _ in _rows() for number in numbers)
    assert [number for number in NUMBERS if told[number] != 1] == []


def test_each_that_applies_is_shown_by_something() -> None:
    for numbers, cells in _rows():
        assert all(cells), numbers
        assert len(cells) == 1 or len(numbers) == 1


def test_what_is_open_is_listed() -> None:
    (listed,) = re.findall(r"## What is open\n\n([\d., ]+)\n", PAGE.read_text())
    rows = [numbers[0] for numbers, cells in _rows() if cells[-1].startswith("**open**")]
    assert listed.split(", ") == rows


def test_each_test_that_is_named_is_there() -> None:
    named = _TEST.findall(PAGE.read_text())
    assert named
    assert [f"{path}::{name}" for path, name in named if name not in _tests(path)] == []
