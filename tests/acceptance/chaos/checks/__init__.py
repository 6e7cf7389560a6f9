"""The invariants, each looked at by itself."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.acceptance.chaos.checks import (
    access,
    effects,
    ending,
    heard,
    hooks,
    ledger,
    letters,
    order,
    own,
    slots,
    told,
)
from tests.acceptance.chaos.checks.violation import Violation
from tests.acceptance.chaos.facts import Facts
from tests.acceptance.chaos.traffic import Town

__all__ = ["Violation", "check_all"]

_BY_DATABASE = (
    ending.check,
    effects.check,
    order.check,
    ledger.check,
    letters.check,
    access.check_found,
    slots.check,
    heard.check,
    hooks.check,
    told.check,
)


def check_all(facts: Facts, town: Town, chance: random.Random) -> list[Violation]:
    """Check every invariant; what the APIs are asked for is chosen by chance."""
    found = [violation for one in _BY_DATABASE for violation in one(facts, town.journal)]
    return [*found, *_by_api(town, chance)]


def _by_api(town: Town, chance: random.Random) -> Iterator[Violation]:
    for life, person in zip(town.lives, town.journal.people, strict=True):
        yield from own.check(person, life.caller)
        yield from access.check_deleted(person, life.caller)
        others = [other for other in town.journal.people if other is not person]
        if others:
            yield from access.check_foreign(person, chance.choice(others), life.caller)
