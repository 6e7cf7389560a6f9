"""What the description says holds: schemathesis sends what it likes to every operation.

No answer is a 500, none has a status or a shape that the description does not name. A few examples
an operation in each run; 200 of them in `make test-long`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack

pytestmark = [pytest.mark.timeout(3600), pytest.mark.slow, pytest.mark.needs("redis")]

_CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance"
)
_FEW = 5
# The last one follows what an answer names to what can be done with it, which takes its time.
_PHASES = ("examples", "fuzzing", "stateful")
# Nobody waits for what is made up, and a token outlives all the examples.
_SETTINGS = {
    "WAIT_MAX_SECONDS": "0",
    "CONTRACT_WAIT_SECONDS": "0",
    "OPENAI_WAIT_SECONDS": "1",
    "ACCESS_TOKEN_SECONDS": "86400",
    # Nobody here embeds: what waits for that is no overload.
    "BACKPRESSURE_SECONDS": "0",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    home, environment = tmp_path_factory.mktemp("home"), {**services, **_SETTINGS}
    with running_stack(home, environment, only=(*PLAIN_TURN, "mail")) as stack:
        yield stack


@pytest.fixture(scope="module")
def key(person: Client) -> str:
    body = {"name": "schemathesis", "scopes": ["read", "write", "openai"]}
    return str(person.post("/api/v1/api-keys/", body)["key"])


def _run(stack: Stack, place: Path, count: int, *options: str) -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{stack.url}/api/schema/",
            f"--checks={_CHECKS}",
            f"--max-examples={count}",
            f"--phases={','.join(_PHASES if count > _FEW else _PHASES[:-1])}",
            "--seed=1",
            "--workers=2",
            "--request-timeout=60",
            "--continue-on-failure",
            "--no-color",
            *options,
        ],
        cwd=place,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]


@pytest.mark.parametrize("count", [_FEW, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize("credential", ["nobody", "token", "key"])
def test_every_operation_answers_as_it_is_described(
    stack: Stack, person: Client, key: str, credential: str, count: int, tmp_path: Path
) -> None:
    shown = {"nobody": "", "token": person.token, "key": key}[credential]
    if not shown:
        _run(stack, tmp_path, count)
        return
    header = {"Authorization": f"Bearer {shown}"}
    # Whoever signs out is nobody from then on, to whom every operation says the same.
    options = [f"--header=Authorization: {header['Authorization']}", "--exclude-path-regex=logout"]
    _run(stack, tmp_path, count, *options)
    assert httpx.get(f"{stack.url}/api/v1/jobs/", headers=header).status_code == 200
