"""The unmodified `openai` package against `/v1`, on real processes, in two versions of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, ROOT, Stack, running_stack
from tests.services import on_each_database

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.slow,
    pytest.mark.needs("redis"),
    on_each_database,
]

CASES = Path(__file__).parent / "sdk" / "cases.py"
GUIDE = ROOT / "docs" / "openai.md"
TOLLS = b"The carter pays fourpence at the gate. The gate is shut at night.\n"
_SETTINGS = {
    "CREDITS_FOR": "everyone",
    "CREDITS_GRANT": "0",
    "WEBHOOK_ALLOW_HTTP": "true",
    "WEBHOOK_ALLOW_PRIVATE": "true",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    home, environment = tmp_path_factory.mktemp("home"), {**services, **_SETTINGS}
    with running_stack(home, environment, only=(*PLAIN_TURN, "mail", "embed")) as stack:
        yield stack


@pytest.fixture(scope="module")
def program(stack: Stack, person: Client) -> dict[str, str]:
    """What a program is told of the account that it works for."""
    stack.manage("credits", "grant", person.email, "1000000", "--note", "welcome")
    document = person.upload("tolls", "tolls.txt", TOLLS)
    poor = stack.client("bob@example.com")
    poor.sign_up()
    return {
        "PATH": os.environ["PATH"],
        "TURNPIKE_URL": stack.url,
        "TURNPIKE_TOKEN": person.token,
        "TURNPIKE_KEY": _key(person),
        "TURNPIKE_RETRIEVING_KEY": _key(person, retrieval=True),
        "TURNPIKE_POOR_KEY": _key(poor),
        "TURNPIKE_STORE": "vs_" + document["collection"].replace("-", ""),
    }


def _key(owner: Client, **fields: Any) -> str:
    body = {"name": "program", "scopes": ["openai"], **fields}
    return str(owner.post("/api/v1/api-keys/", body)["key"])


@pytest.fixture(scope="session")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter of an environment that holds a client's packages and none of ours."""
    place = tmp_path_factory.mktemp("sdk") / "venv"
    python = str(place / "bin" / "python")
    uv = str(Path(sys.executable).with_name("uv"))
    lock = str(ROOT / "requirements" / "sdk.txt")
    for command in (
        ["venv", "--quiet", "--python", sys.executable, str(place)],
        ["pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", lock],
    ):
        subprocess.run([uv, *command], check=True)
    return python


def _passes(python: str, environment: Mapping[str, str]) -> str:
    """Run the cases with an interpreter; return what it says of its package, and of them."""
    bare = ["-p", "no:cacheprovider", "--noconftest", "-c", os.devnull, "--rootdir", str(ROOT)]
    script = "import openai; print('openai', openai.__version__)"
    told = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True)
    done = subprocess.run(
        [python, "-m", "pytest", "-q", *bare, str(CASES)],
        cwd=ROOT,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return told.stdout + done.stdout


def test_the_package_that_is_installed_here(program: dict[str, str]) -> None:
    assert " passed" in _passes(sys.executable, program)


def test_another_version_in_an_environment_of_its_own(
    program: dict[str, str], other_python: str
) -> None:
    said = _passes(other_python, program)
    assert "openai 2." in said
    assert " passed" in said


def test_the_guide(program: dict[str, str], other_python: str, tmp_path: Path) -> None:
    """Every block of the guide, run as it stands there, one after another."""
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```$", GUIDE.read_text())
    script = (
        "\n".join(blocks)
        .replace("http://127.0.0.1:8000", program["TURNPIKE_URL"])
        .replace("tpk_…", program["TURNPIKE_KEY"])
        .replace("vs_0198c1f2a4b87d3e9c1f2a4b87d3e9c1", program["TURNPIKE_STORE"])
    )
    assert len(blocks) > 3
    done = subprocess.run(
        [other_python, "-c", script],
        cwd=tmp_path,
        env=program,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "fourpence" in done.stdout
