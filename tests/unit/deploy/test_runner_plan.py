"""What is to run, as the environment has it; read by fresh interpreters, as settings are."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.local import ports, table
from deploy.local.announce import password_file, paste
from deploy.local.errors import RunnerError
from deploy.local.launch import Launch
from deploy.local.plan import Plan
from deploy.local.ports import free_port
from deploy.local.terminal import Terminal

ROOT = Path(__file__).parents[3]
READ = """
import json
from deploy.local.errors import RunnerError
from deploy.local.plan import read_plan
try:
    plan = read_plan()
except RunnerError as error:
    print(json.dumps({"error": str(error)}))
else:
    names = ("sandbox_port", "redis_url", "redis_socket", "database", "is_embedded", "provider")
    print(json.dumps({name: getattr(plan, name) for name in names}, default=str))
"""


def read(home: Path, **variables: str) -> Any:
    """Read the plan in an interpreter of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=ROOT,
        env={**kept, "TURNPIKE_HOME": str(home), "PORT": "8700", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def plan_of(home: Path, **more: Any) -> Plan:
    """A plan for a home, as far as a test needs one."""
    plain: dict[str, Any] = {
        "root": ROOT,
        "home": home,
        "port": 8700,
        "sandbox_port": 8701,
        "redis_url": "unix:///run/redis.sock?db=0",
        "redis_socket": Path("/run/redis.sock"),
        "database": "SQLite",
        "is_embedded": True,
        "provider": "sandbox",
        "mail_transport": "files",
        "grace": 20.0,
        "show_all": False,
        "environment": {"SANDBOX_PORT": "8701"},
    }
    return Plan(**{**plain, **more})


def test_without_any_variable_everything_is_embedded(tmp_path: Path) -> None:
    assert read(tmp_path) == {
        "sandbox_port": 8701,
        "redis_url": f"unix://{tmp_path}/run/redis.sock?db=0",
        "redis_socket": f"{tmp_path}/run/redis.sock",
        "database": f"SQLite, {tmp_path}/turnpike.sqlite3",
        "is_embedded": True,
        "provider": "sandbox",
    }


def test_real_parts_stand_in_for_embedded_ones_and_no_password_is_told(tmp_path: Path) -> None:
    told = read(
        tmp_path,
        OPENAI_API_KEY="key",
        REDIS_URL="redis://elsewhere:6379/2",
        DATABASE_URL="postgresql://me:secret@elsewhere:5433/turnpike",
    )
    assert told == {
        "sandbox_port": None,
        "redis_url": "redis://elsewhere:6379/2",
        "redis_socket": None,
        "database": "PostgreSQL, turnpike at elsewhere:5433",
        "is_embedded": False,
        "provider": "openai",
    }


def test_a_variable_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    told = "PORT='http' cannot be used: it must be a whole number from 1 to 65535."
    assert read(tmp_path, PORT="http") == {"error": told}


def test_every_queue_is_served_and_two_relays_run(tmp_path: Path) -> None:
    from django.conf import settings

    standing = {process.name: process.command for process in table.standing(plan_of(tmp_path))}
    served = [
        queue
        for command in standing.values()
        if "-Q" in command
        for queue in command[command.index("-Q") + 1].split(",")
    ]
    assert sorted(served) == sorted(settings.QUEUES)
    assert [name for name, command in standing.items() if command[-1] == "relay"] == [
        "relay-1",
        "relay-2",
    ]


def test_a_port_in_use_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.launch._LET_GO", 0.0)
    with socket.create_server((ports.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunnerError, match=rf"Port {port} is in use .* PORT={port + 80}"):
            Launch(plan_of(tmp_path, port=port), Terminal())


def test_a_sandbox_port_in_use_is_replaced_for_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.launch._LET_GO", 0.0)
    with socket.create_server((ports.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        launch = Launch(plan_of(tmp_path, port=free_port(), sandbox_port=port), Terminal())
        launch.stop()
    assert launch._plan.sandbox_port not in {None, port}
    assert launch._plan.environment == {"SANDBOX_PORT": str(launch._plan.sandbox_port)}


def test_what_is_to_be_pasted_is_good_bash_even_with_blanks_in_paths(tmp_path: Path) -> None:
    home = tmp_path / "Bob's home"
    home.mkdir()
    password_file(home).write_text("secret\n")
    lines = paste(plan_of(home))
    subprocess.run(["bash", "-n", "-c", lines], check=True)
    login = next(line for line in lines.splitlines() if line.startswith("login="))
    said = subprocess.run(
        ["bash", "-c", f'{login}\nprintf %s "$login"'], capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout) == {"email": "demo@example.com", "password": "secret"}
