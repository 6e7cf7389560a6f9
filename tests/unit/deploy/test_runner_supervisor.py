"""The supervisor over real processes: they are killed, restarted, and ended in their order."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.errors import RunnerError
from deploy.local.process import Process, Stage
from deploy.local.supervisor import Supervisor
from deploy.local.terminal import Terminal

ROOT = Path(__file__).parents[3]

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
# Notes its end in the file that it is given.
POLITE = """
import signal, sys, time
def end(*_):
    with open(sys.argv[1], "a") as file:
        file.write(sys.argv[2] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(60)
"""
# Notes each request in the file that it is given, and grants none.
STUBBORN = """
import signal, sys, time
def note(number, _):
    with open(sys.argv[1], "a") as file:
        file.write(signal.Signals(number).name + "\\n")
for number in (signal.SIGTERM, signal.SIGQUIT):
    signal.signal(number, note)
print("up", flush=True)
while True:
    time.sleep(60)
"""
# A runner with one process, which has a child of its own.
RUNNER = """
import sys
from pathlib import Path
from deploy.local.process import Process, Stage
from deploy.local.supervisor import Supervisor
from deploy.local.terminal import Terminal
sleep = "import time; time.sleep(60)"
parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{sleep}'])"
folder = Path(sys.argv[1])
supervisor = Supervisor(root=folder, logs=folder, environment={}, terminal=Terminal())
supervisor.start(Process("parent", (sys.executable, "-c", parent), Stage.WORKER))
print(supervisor.pids()["parent"], flush=True)
supervisor.wait_for(lambda: False)
"""


class Bench:
    """A supervisor, its terminal's text, and what its processes need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown = io.StringIO()
        self.supervisor = Supervisor(
            root=folder, logs=folder, environment=os.environ, terminal=Terminal(self.shown)
        )

    def start(
        self,
        name: str,
        program: str,
        *arguments: str,
        stage: Stage = Stage.WORKER,
        grace: float = 5,
    ) -> int:
        """Start a Python program; return its process id once it says that it is up."""
        command = (sys.executable, "-c", program, *arguments)
        self.supervisor.start(Process(name, command, stage, grace))
        self.wait_for(lambda: "up\n" in (self.folder / f"{name}.log").read_text())
        return self.supervisor.pids()[name]

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Keep supervising until something has happened, for ten seconds at most."""
        until = time.monotonic() + 10
        self.supervisor.wait_for(lambda: happened() or time.monotonic() > until, every=0.05)
        assert happened()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A supervisor whose processes are gone after the test."""
    made = Bench(tmp_path)
    yield made
    made.supervisor.stop()


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def children_of(pid: int) -> list[int]:
    """The children of a process, as ps lists them."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process ends within some seconds."""
    until = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(pid)


def test_a_process_that_is_killed_is_started_again(bench: Bench) -> None:
    first = bench.start("sleeper", SLEEPER)
    os.kill(first, signal.SIGKILL)
    bench.wait_for(lambda: bench.supervisor.pids().get("sleeper", first) != first)
    assert is_alive(bench.supervisor.pids()["sleeper"])
    assert "sleeper was ended by SIGKILL; starting it again in 0.5 s" in bench.shown.getvalue()


def test_what_a_dead_process_leaves_running_is_ended_before_its_next_life(bench: Bench) -> None:
    parent = (
        "import subprocess, sys; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "print(child.pid, 'up', flush=True); child.wait()"
    )
    first = bench.start("parent", parent)
    grandchild = int((bench.folder / "parent.log").read_text().split(" up")[0].split("\n")[-1])
    assert is_alive(grandchild)
    os.kill(first, signal.SIGKILL)
    bench.wait_for(lambda: "parent" not in bench.supervisor.pids())
    assert gone(grandchild)


def test_a_process_that_cannot_live_ends_a_start_with_its_name_and_last_lines(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.backoff.FIRST", 0.01)
    program = "import sys; print('no port for me'); sys.exit(3)"
    bench.supervisor.start(Process("broken", (sys.executable, "-c", program), Stage.WEB))
    with pytest.raises(RunnerError) as caught:
        bench.supervisor.wait_for(lambda: False)
    assert "broken cannot be kept running: it ended with status 3" in str(caught.value)
    assert "for the 6th time in a row" in str(caught.value)
    assert "    no port for me" in str(caught.value)


def test_once_all_was_ready_such_a_process_is_told_of_and_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.backoff.FIRST", 0.01)
    bench.supervisor.was_ready = True
    program = "import sys; print('lost my database'); sys.exit(1)"
    bench.supervisor.start(Process("broken", (sys.executable, "-c", program), Stage.WEB))
    bench.wait_for(lambda: "for the 7th time in a row" in bench.shown.getvalue())
    assert "    lost my database" in bench.shown.getvalue()


def test_a_program_that_does_not_exist_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.backoff.FIRST", 0.01)
    bench.supervisor.start(Process("absent", ("/nowhere/absent",), Stage.WEB))
    with pytest.raises(RunnerError, match=r"absent cannot be kept running: it cannot be run \("):
        bench.supervisor.wait_for(lambda: False)


def test_processes_end_in_the_order_of_their_stages(bench: Bench) -> None:
    notes = bench.folder / "notes"
    order = [Stage.REDIS, Stage.WEB, Stage.RELAY, Stage.WORKER, Stage.SANDBOX, Stage.BEAT]
    pids = [bench.start(stage.name, POLITE, str(notes), stage.name, stage=stage) for stage in order]
    bench.supervisor.stop()
    assert notes.read_text().split() == ["WEB", "BEAT", "WORKER", "RELAY", "SANDBOX", "REDIS"]
    assert [pid for pid in pids if is_alive(pid)] == []


def test_who_does_not_end_is_asked_twice_and_then_killed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.ending.DROP_SECONDS", 0.3)
    notes = bench.folder / "notes"
    pid = bench.start("stubborn", STUBBORN, str(notes), grace=0.3)
    began = time.monotonic()
    bench.supervisor.stop()
    assert notes.read_text().split() == ["SIGTERM", "SIGQUIT"]
    assert not is_alive(pid)
    assert 0.6 <= time.monotonic() - began < 5


def test_a_second_signal_hurries_and_keeps_the_order(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = bench.folder / "notes"
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    bench.start("stubborn", STUBBORN, str(notes), grace=600)
    bench.start("redis", POLITE, str(notes), "redis", stage=Stage.REDIS)
    bench.supervisor.obey_signals()
    try:
        # The hurry comes from outside, while stop() waits for what would take ten minutes.
        program = "import os, sys, time; time.sleep(0.5); os.kill(int(sys.argv[1]), 15)"
        with subprocess.Popen([sys.executable, "-c", program, str(os.getpid())]):
            began = time.monotonic()
            bench.supervisor.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert time.monotonic() - began < 10
    assert notes.read_text().split() == ["SIGTERM", "SIGQUIT", "redis"]


def test_a_killed_runner_takes_children_and_grandchildren_with_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as runner:
        assert runner.stdout is not None
        child = int(runner.stdout.readline())
        until = time.monotonic() + 10
        while not (grandchildren := children_of(child)) and time.monotonic() < until:
            time.sleep(0.05)
        assert len(grandchildren) == 1
        runner.kill()
    assert gone(child)
    assert gone(grandchildren[0])


def test_a_killed_guardian_is_replaced_and_knows_every_group(bench: Bench) -> None:
    first = bench.start("sleeper", SLEEPER)
    guard = bench.supervisor._guard
    os.kill(guard.pid, signal.SIGKILL)
    assert gone(guard.pid)
    second = bench.start("second", SLEEPER)
    assert is_alive(guard.pid)
    guard.close()  # as when the runner is killed
    guard._guardian = guard._start()
    assert gone(first)
    assert gone(second)


def test_warnings_reach_the_terminal_under_their_processes_name(bench: Bench) -> None:
    program = "print('[warning  ] loud'); print('[info     ] quiet'); " + SLEEPER
    bench.start("web", program)
    bench.supervisor.tick()
    assert bench.shown.getvalue() == "      web | [warning  ] loud\n"


def test_a_task_that_fails_is_an_error_and_one_that_succeeds_shows_its_lines(bench: Bench) -> None:
    succeed = Process("prepare", (sys.executable, "-c", "print('migrated')"), Stage.WEB)
    bench.supervisor.run_once(succeed)
    assert bench.shown.getvalue().endswith("s] migrated\n")
    fail = Process("prepare", (sys.executable, "-c", "raise SystemExit(2)"), Stage.WEB)
    with pytest.raises(RunnerError, match="prepare ended with status 2; its log is "):
        bench.supervisor.run_once(fail)


def test_every_line_is_shown_to_who_asks_for_it(tmp_path: Path) -> None:
    shown = io.StringIO()
    supervisor = Supervisor(
        root=tmp_path,
        logs=tmp_path,
        environment=os.environ,
        terminal=Terminal(shown),
        show_all=True,
    )
    supervisor.start(Process("web", (sys.executable, "-c", SLEEPER), Stage.WEB))
    supervisor.wait_for(lambda: "      web | up\n" in shown.getvalue())
    supervisor.stop()
