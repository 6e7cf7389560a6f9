"""Mixed left-to-right and right-to-left text: embedding levels and visual order (UAX #9).

Explicit embeddings, overrides and isolates are ignored: in untrusted text they serve to make a line
read differently from what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import bidirectional

_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_STRONG = frozenset({"L", "R", "AL"})
_IGNORED = frozenset({"BN", "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_NEUTRAL = frozenset({"B", "S", "WS", "ON"})
_TRAILING = frozenset({"B", "S", "WS"}) | _IGNORED
_OPENING = "([{\u27e8\u2329\u3008\u300a\u300c\u300e\u3010\u3014\u3016\uff08\uff3b\uff5b"
_CLOSING = ")]}\u27e9\u232a\u3009\u300b\u300d\u300f\u3011\u3015\u3017\uff09\uff3d\uff5d"
_PAIR_DEPTH = 63  # BD16's own limit


def embedding_levels(text: str) -> tuple[int, list[int]]:
    """Resolve the level of each character of one paragraph: even is left to right, odd the reverse.

    Returns:
        The paragraph's own level (0 or 1, by its first strong letter), and one level a character.
    """
    classes = [bidirectional(character) or "L" for character in text]
    base = _base_level(classes)
    if not base and not _RIGHT_TO_LEFT.intersection(classes):
        return 0, [0] * len(text)
    kept = [index for index, value in enumerate(classes) if value not in _IGNORED]
    resolved = _weak([classes[index] for index in kept], base)
    _brackets([text[index] for index in kept], resolved, base)
    _neutral(resolved, base)
    levels = [base] * len(text)
    for index, value in zip(kept, resolved, strict=True):
        levels[index] = _implicit(value, base)
    for index in range(1, len(text)):
        if classes[index] in _IGNORED:
            levels[index] = levels[index - 1]
    return base, levels


def base_level(text: str) -> int:
    """The direction of a paragraph by its first strong letter: 0 left to right, 1 right to left."""
    return _base_level([bidirectional(character) for character in text])


def trailing_reset(text: str, levels: Sequence[int], base: int) -> list[int]:
    """Give a line's trailing white space the paragraph's level (rule L1), for one line's text."""
    reset = list(levels)
    for index in range(len(text) - 1, -1, -1):
        if bidirectional(text[index]) not in _TRAILING:
            break
        reset[index] = base
    return reset


def visual_order(levels: Sequence[int]) -> list[int]:
    """Order the items of one line from left to right (rule L2); returns indexes into `levels`."""
    order = list(range(len(levels)))
    odd = [level for level in levels if level % 2]
    if not odd:
        return order
    for threshold in range(max(levels), min(odd) - 1, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= threshold:
                end += 1
            order[start:end] = order[start:end][::-1]
            start = max(end, start + 1)
    return order


def _base_level(classes: Sequence[str]) -> int:
    first = next((value for value in classes if value in _STRONG), "L")
    return 0 if first == "L" else 1


def _weak(classes: list[str], base: int) -> list[str]:
    """Rules W1 to W7: marks, numbers and the signs between and beside them."""
    edge = "R" if base else "L"
    values = _marks_and_letters(classes, edge)
    _separators(values)
    _terminators(values)
    strong = edge
    for index, value in enumerate(values):  # W6, W7
        if value in {"ES", "ET", "CS"}:
            values[index] = "ON"
        elif value in {"L", "R"}:
            strong = value
        elif value == "EN" and strong == "L":
            values[index] = "L"
    return values


def _marks_and_letters(classes: Sequence[str], edge: str) -> list[str]:
    """Rules W1 to W3: marks are what they stand on, numbers after Arabic letters are Arabic."""
    values: list[str] = []
    strong = edge
    for original in classes:
        value = (values[-1] if values else edge) if original == "NSM" else original
        if value in _STRONG:
            strong = value
        values.append("AN" if value == "EN" and strong == "AL" else value)
    return ["R" if value == "AL" else value for value in values]


def _separators(values: list[str]) -> None:
    """Rule W4: one separator between two numbers of a kind joins them."""
    for index in range(1, len(values) - 1):
        before, after = values[index - 1], values[index + 1]
        joining = {"EN": {"ES", "CS"}, "AN": {"CS"}}.get(before, set())
        if before == after and values[index] in joining:
            values[index] = before


def _terminators(values: list[str]) -> None:
    """Rule W5: a run of terminators beside a European number joins it."""
    start = 0
    while start < len(values):
        end = start
        while end < len(values) and values[end] == "ET":
            end += 1
        if end > start:
            beside = (values[start - 1] if start else "", values[end] if end < len(values) else "")
            if "EN" in beside:
                values[start:end] = ["EN"] * (end - start)
        start = max(end, start + 1)


def _direction(value: str) -> str:
    return "L" if value == "L" else "R" if value in {"R", "EN", "AN"} else ""


def _brackets(text: Sequence[str], values: list[str], base: int) -> None:
    """Rule N0: both halves of a pair take the direction of what they enclose."""
    embedding = "R" if base else "L"
    for opening, closing in _pairs(text, values):
        inside = {_direction(value) for value in values[opening + 1 : closing]}
        if embedding in inside:
            chosen = embedding
        elif inside - {""}:
            before = (_direction(value) for value in reversed(values[:opening]))
            context = next((value for value in before if value), embedding)
            chosen = context if context != embedding else embedding
        else:
            continue
        values[opening] = values[closing] = chosen


def _pairs(text: Sequence[str], values: Sequence[str]) -> list[tuple[int, int]]:
    stack: list[tuple[int, int]] = []
    pairs: list[tuple[int, int]] = []
    for index, character in enumerate(text):
        if values[index] != "ON":
            continue
        if (kind := _OPENING.find(character)) >= 0:
            if len(stack) == _PAIR_DEPTH:
                return []
            stack.append((kind, index))
        elif (kind := _CLOSING.find(character)) >= 0:
            for depth in range(len(stack) - 1, -1, -1):
                if stack[depth][0] == kind:
                    pairs.append((stack[depth][1], index))
                    del stack[depth:]
                    break
    return sorted(pairs)


def _neutral(values: list[str], base: int) -> None:
    """Rules N1 and N2: a run between two of one direction joins them; else it takes the base's."""
    edge = "R" if base else "L"
    start = 0
    while start < len(values):
        end = start
        while end < len(values) and values[end] in _NEUTRAL:
            end += 1
        if end > start:
            before = _direction(values[start - 1]) if start else edge
            after = _direction(values[end]) if end < len(values) else edge
            values[start:end] = [before if before == after else edge] * (end - start)
        start = max(end, start + 1)


def _implicit(value: str, base: int) -> int:
    """Rules I1 and I2."""
    if base:
        return 1 if value == "R" else 2
    return {"L": 0, "R": 1}.get(value, 2)
