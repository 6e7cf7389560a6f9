"""`python -m tests.acceptance.chaos`: run seeds, print what came of them, 1 on any violation."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.acceptance.chaos import report
from tests.acceptance.chaos.run import Effort, Result, planned, run_seed
from tests.acceptance.chaos.world import Shape, World, world

LONG_RUN_PEOPLE = 10
LONG_RUN_TALK = 400.0
LONG_RUN_READERS = 5
# A worker that starts takes a core for seconds: more often, and there is little else to disturb.
LONG_RUN_GAP = (3.0, 10.0)
# The ways of `patched.broken`, which only a worker can import.
BROKEN = ("", "no_fencing", "publish_before_commit", "no_relay")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--broker", choices=["redis", "rabbitmq"], default="redis")
    parser.add_argument("--jobs", type=int, default=0, help="go on until so many are accepted")
    parser.add_argument("--broken", choices=BROKEN, default="", help="break it on purpose")
    parser.add_argument("--seconds", type=float, default=Effort.seconds)
    parser.add_argument("--people", type=int, default=Effort.people)
    parser.add_argument("--no-embed", action="store_true", help="without documents")
    parser.add_argument("--fsync", action="store_true", help="let PostgreSQL sync to the disk")
    parser.add_argument("--report", type=Path, default=Path("build/chaos.json"))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of every `finally`
    seeds = (
        [options.seed]
        if options.seed is not None
        else range(options.first, options.first + options.seeds)
    )
    shape = Shape(
        options.broker,
        options.broken,
        embed=not options.no_embed,
        fsync=options.fsync,
        brisk=bool(options.jobs),
    )
    effort = Effort(seconds=options.seconds, people=options.people)
    if options.jobs:  # one long run, as quick as the machine is
        seeds = seeds[:1]
        people = max(options.people, LONG_RUN_PEOPLE)
        effort = replace(effort, jobs=options.jobs, people=people, pause=(0.0, 0.05))
        effort = replace(effort, talk=LONG_RUN_TALK, readers=LONG_RUN_READERS)
        effort = replace(effort, gap=LONG_RUN_GAP, limit=1800.0)
    if options.broken:  # what is lost is lost: there is not much to wait for
        effort = replace(effort, patience=20.0)
    results: list[Result] = []
    for result in _run(seeds, shape, effort):
        results.append(result)
        _say(report.one_line(result), *report.violations(result))
        report.write(options.report, results)
    _say("", *report.table(results), f"All of it: {options.report}")
    return 1 if any(result.violations for result in results) else 0


def _run(seeds: Sequence[int], shape: Shape, effort: Effort) -> Iterator[Result]:
    """Run the seeds in one world for as long as it is in order; a violation costs it."""
    with ExitStack() as held:
        there: World | None = None
        for seed in seeds:
            if there is None:
                there = held.enter_context(world(shape))
            _say(
                f"seed {seed}:",
                *(f"    {one}" for lane in planned(there, seed, effort) for one in lane),
            )
            result = run_seed(there, seed, effort)
            yield result
            if result.violations:
                there = None
                held.close()


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
