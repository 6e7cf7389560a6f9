"""Logs: rotation under a writer that goes on, reading along, and what counts as an alarm."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.logs import Alarms, Tail, last_lines, rotate


def test_a_large_log_is_moved_aside_and_its_writer_goes_on_at_the_start(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 11)
        rotate(log, limit=10)
        writer.write(b"y")
    assert (tmp_path / "web.log.1").read_bytes() == b"x" * 11
    assert log.read_bytes() == b"y"


def test_a_small_or_absent_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_bytes(b"x" * 10)
    rotate(tmp_path / "web.log", limit=10)
    rotate(tmp_path / "none.log", limit=10)
    assert [path.name for path in tmp_path.iterdir()] == ["web.log"]


def test_the_tail_gives_whole_lines_that_came_after_it_was_made(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("before\n")
    tail = Tail(log)
    with log.open("a") as writer:
        writer.write("one\ntw")
        writer.flush()
        assert tail.lines() == ["one"]
        writer.write("o\n")
        writer.flush()
        assert tail.lines() == ["two"]
    assert tail.lines() == []


def test_the_tail_begins_anew_after_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    tail = Tail(log)
    assert tail.lines() == []
    log.write_text("a long first line\n")
    assert tail.lines() == ["a long first line"]
    log.write_text("new\n")
    assert tail.lines() == ["new"]


def test_the_last_lines_are_as_many_as_there_are(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("a\nb\nc\n")
    assert last_lines(log, 2) == ["b", "c"]
    assert last_lines(log, 9) == ["a", "b", "c"]
    assert last_lines(tmp_path / "none.log", 9) == []


@pytest.mark.parametrize(
    ("line", "alarming"),
    [
        ("2026-11-21T01:44:48Z [warning  ] step.failed  [workers.base]", True),
        ("2026-11-21T01:44:48Z [error    ] Internal Server Error: /x", True),
        ('{"event": "step.failed", "level": "error"}', True),
        ("ERROR:    [Errno 98] address already in use", True),
        ("Traceback (most recent call last):", True),
        ("2026-11-21T01:44:48Z [info     ] warning in words only", False),
        ("2026-11-21T01:44:48Z [error    ] Service Unavailable: /readyz   [django.request]", False),
        ("INFO:     Application startup complete.", False),
        ("14:M 21 Nov # WARNING Memory overcommit must be enabled!", False),
    ],
)
def test_an_alarm_is_a_warning_or_worse(line: str, alarming: bool) -> None:
    assert Alarms().wants(line) is alarming


def test_a_traceback_belongs_to_its_alarm_until_the_next_entry() -> None:
    alarms = Alarms()
    lines = [
        "2026-11-21T01:44:48Z [error    ] task.failed",
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in <module>',
        "ValueError: no",
        "2026-11-21T01:44:49Z [info     ] step.completed",
        "and what belongs to it",
    ]
    assert [alarms.wants(line) for line in lines] == [True, True, True, True, False, False]
