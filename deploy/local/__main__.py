"""Runs all of Turnpike on this machine: `python -m deploy.local`, which is `make run`."""

from __future__ import annotations

import argparse
import sys

from deploy.local.errors import RunnerError, StopRequested
from deploy.local.home import hold
from deploy.local.launch import Launch
from deploy.local.plan import read_plan
from deploy.local.terminal import Style, Terminal


def main() -> int:
    """Run until a signal; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("--brief", action="store_true", help="do not say how it can be tried")
    brief = parser.parse_args().brief
    terminal = Terminal()
    try:
        plan = read_plan()
        with hold(plan.home, plan.address):
            launch = Launch(plan, terminal)
            try:
                launch.run(brief=brief)
            except StopRequested:
                pass
            finally:
                launch.stop()
    except RunnerError as error:
        terminal.line(f"\n{error}", Style.BAD)
        return 1
    terminal.step("Stopped. Everything that was accepted is kept, and goes on at the next start.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
