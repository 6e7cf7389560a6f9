"""The home's lock: one runner at a time, and none that outlives its holder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.errors import RunnerError
from deploy.local.home import Holder, hold, holder

ROOT = Path(__file__).parents[3]
HOLD = """
import sys, time
from pathlib import Path
from deploy.local.home import hold
with hold(Path(sys.argv[1]), "http://127.0.0.1:8000"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_runner_is_told_who_holds_the_home(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    with hold(home, "http://127.0.0.1:8123"):
        assert holder(home) == Holder(os.getpid(), "http://127.0.0.1:8123")
        told = f"TURNPIKE_HOME={home}: process {os.getpid()}, at http://127.0.0.1:8123"
        with pytest.raises(RunnerError, match=re.escape(told)), hold(home, "http://elsewhere"):
            pass
    assert holder(home) is None
    with hold(home, "http://127.0.0.1:8124"):
        assert holder(home) == Holder(os.getpid(), "http://127.0.0.1:8124")


def test_nobody_holds_a_home_that_does_not_exist(tmp_path: Path) -> None:
    assert holder(tmp_path / "none") is None


def test_a_home_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunnerError, match=r"file/home cannot be written to: Not a directory\."),
        hold(tmp_path / "file" / "home", "http://127.0.0.1:8000"),
    ):
        pass


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert holder(tmp_path) == Holder(process.pid, "http://127.0.0.1:8000")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert holder(tmp_path) is None
    with hold(tmp_path, "http://127.0.0.1:8001"):
        assert holder(tmp_path) == Holder(os.getpid(), "http://127.0.0.1:8001")
