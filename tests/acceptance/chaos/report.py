"""What all runs came to: a table for people, JSON for whoever compares."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.acceptance.chaos.run import Result

SHOWN = 20


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Add the runs up."""
    states: dict[str, Counter[str]] = {}
    for result in results:
        for kind, counts in result.states.items():
            states.setdefault(kind, Counter()).update(counts)
    longest = [one for result in results for one in result.recoveries]
    longest.sort(key=lambda one: -one.seconds)
    total: dict[str, Counter[str]] = {
        name: sum((Counter(getattr(result, name)) for result in results), Counter())
        for name in ("faults", "missed", "failures", "unknown", "refused", "heard")
    }
    return {
        "seeds": [result.seed for result in results],
        "failing_seeds": [result.seed for result in results if result.violations],
        "jobs": sum(result.jobs for result in results),
        "accepted_by_clients": sum(result.accepted for result in results),
        "states": {kind: dict(counts) for kind, counts in sorted(states.items())},
        "faults_injected": sum(total["faults"].values()),
        **{name: dict(counts.most_common()) for name, counts in total.items()},
        "recoveries": len(longest),
        "longest_recovery": vars(longest[0]) if longest else None,
        "violations": sum(len(result.violations) for result in results),
        "seconds": round(sum(result.seconds for result in results), 1),
    }


def one_line(result: Result) -> str:
    """Say what one run came to."""
    longest = result.recoveries[0].seconds if result.recoveries else 0.0
    ended: Counter[str] = Counter()
    for counts in result.states.values():
        ended.update(counts)
    states = " ".join(f"{state} {count}" for state, count in sorted(ended.items()))
    return (
        f"seed {result.seed:>4}  {result.jobs:>6} jobs ({states})  "
        f"{result.faults.total():>3} faults  longest recovery {longest:.1f} s  "
        f"settled in {result.settled_in:.0f} s  {len(result.violations)} violations"
    )


def violations(result: Result) -> Iterator[str]:
    """Name the first violations of a run, one a line."""
    for violation in result.violations[:SHOWN]:
        yield f"    {violation}"
    if len(result.violations) > SHOWN:
        yield f"    … and {len(result.violations) - SHOWN} more"


def table(results: Sequence[Result]) -> Iterator[str]:
    """Lay the sums out for a person."""
    for name, value in summary(results).items():
        if isinstance(value, dict):
            yield f"{name.replace('_', ' ')}:"
            yield from (f"    {key:<32} {count}" for key, count in value.items())
        else:
            yield f"{name.replace('_', ' ')}: {value}"


def _body(result: Result) -> dict[str, Any]:
    rows = {
        name: [vars(row) for row in getattr(result, name)] for name in ("recoveries", "violations")
    }
    return {**vars(result), "jobs": result.jobs, **rows}


def write(path: Path, results: Sequence[Result]) -> None:
    """Write it all as JSON."""
    body = {"summary": summary(results), "runs": [_body(result) for result in results]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=2, default=str))
