"""The limit of open files is as high as the system allows."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import resource
from deploy.local.limits import raise_open_files
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, {hard}))
raise_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def _limits(hard: str) -> list[int]:
    script = _SCRIPT.format(hard=hard)
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return [int(word) for word in done.stdout.split()]


def test_a_low_limit_is_raised() -> None:
    soft, hard = _limits("hard")
    assert soft == (min(65_536, hard) if hard > 0 else 65_536)


def test_the_systems_own_limit_is_not_passed() -> None:
    assert _limits("128") == [128, 128]
