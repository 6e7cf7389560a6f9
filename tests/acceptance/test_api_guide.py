"""Every command of the API guide, run as it stands there, against the whole product."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import ROOT, Stack, running_stack, until

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow, pytest.mark.needs("redis")]

GUIDE = ROOT / "docs" / "api.md"
EMAIL = "ada@example.org"
GUIDE_PASSWORD = "correct horse battery staple"
# What is told to staff, and to those whose address is known to be theirs.
_PROMOTE = """
from django.utils import timezone
from pipelines.accounts.models import User
User.objects.update(email_verified_at=timezone.now(), is_staff=True, is_superuser=True)
"""
_SHELL = """
set -euo pipefail
curl() {{ command curl --silent --show-error --max-time 60 --write-out '\\n%{{http_code}}' "$@"; }}
{command}
"""


# The first sets the variables that the others use.
_FIRST, *_BLOCKS = re.findall(
    r"^```sh\n(.*?)^```$", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL
)
# A line that ends with a backslash goes on.
_LINES = "".join(_BLOCKS).replace("\\\n", " ").splitlines()
COMMANDS = [" ".join(line.split()) for line in _LINES if line.strip()]


def _command(part: str) -> str:
    """The one command that holds a part."""
    [found] = [command for command in COMMANDS if part in command]
    return found


class Reader:
    """Somebody who tries the guide, command by command, and keeps the ids that come back."""

    def __init__(self, stack: Stack, home: Path) -> None:
        self._home = home
        self.known = {"BASE": f"{stack.url}/api/v1", "PATH": os.environ["PATH"]}
        self.statuses: dict[str, int] = {}

    def sign_in(self) -> None:
        """Get a token by the guide's own first block."""
        script = re.sub("^BASE=.*$", f"BASE={self.known['BASE']}", _FIRST, flags=re.MULTILINE)
        said = self._run(f'{script}\necho "$TOKEN"', plain=True)
        self.known["TOKEN"] = said.strip()
        assert self.known["TOKEN"].count(".") == 2

    def run(self, command: str) -> Any:
        """Run one command; return what it printed, as JSON where it is that."""
        *body, status = self._run(command).splitlines()
        self.statuses[command] = int(status)
        text = "\n".join(body)
        try:
            return json.loads(text[text.index("{") :])
        except ValueError:
            return text

    def _run(self, command: str, *, plain: bool = False) -> str:
        done = subprocess.run(
            ["bash", "-c", command if plain else _SHELL.format(command=command)],
            cwd=self._home,
            env=self.known,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("home"), services) as stack:
        yield stack


def _openai(client: Client, url: str) -> dict[str, str]:
    """A key for what lies under /v1, and a response that was made with it."""
    body = {"name": "sdk", "scopes": ["openai"]}
    key = str(client.post("/api/v1/api-keys/", body)["key"])
    made = httpx.post(
        f"{url}/v1/responses",
        headers={"Authorization": f"Bearer {key}"},
        json={"input": "Who pays?", "background": True},
    )
    return {"KEY": key, "RESPONSE": made.json()["id"]}


def test_every_command_of_the_guide(stack: Stack, tmp_path: Path) -> None:
    client = stack.client(EMAIL)
    client.sign_up(GUIDE_PASSWORD)
    stack.manage("shell", "-v0", "-c", _PROMOTE)
    reader = Reader(stack, tmp_path)
    reader.sign_in()
    (tmp_path / "turnpikes.md").write_text("# Turnpikes\n\nThe carter pays the toll.\n")
    report = client.post("/api/v1/reports/", {"title": "Roads", "content": "# Roads"})["job"]["id"]
    client.wait(report)
    made = client.post("/api/v1/knowledge/collections/", {"name": "First"})
    turn = client.wait(client.turn("What is a toll?")["id"])
    # A name that never leads anywhere (RFC 6761): the trial fails at once.
    hooks = {"url": "https://hooks.invalid/", "events": ["job.completed"]}
    endpoint = client.post("/api/v1/webhooks/endpoints/", hooks)["id"]
    ping = client.post(f"/api/v1/webhooks/endpoints/{endpoint}/ping/", {})
    assert client.wait(ping["job_id"])["state"] == "failed"
    reader.known |= {
        "COLLECTION": made["id"],
        "CONVERSATION": turn["result"]["conversation_id"],
        "BATCH": client.post("/api/v1/batches/", {"turns": [{"message": "Who pays?"}]})["id"],
        "ENDPOINT": endpoint,
        "DELIVERY": ping["id"],
        **_openai(client, stack.url),
        "NEXT": client.get("/api/v1/jobs/?limit=1")["next"],
    }

    for command in COMMANDS:
        reader.known["JOB"] = report if "/artifacts/" in command else turn["id"]
        reader.run(command)

    refused = {command: status for command, status in reader.statuses.items() if status >= 400}
    # A job that has not failed, and a message that is empty.
    assert refused == {_command("/retry/"): 409, _command('{"message": ""}'): 422}
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert len(reader.statuses) > 20


def test_what_the_guide_says_of_waiting_and_of_streams(stack: Stack, tmp_path: Path) -> None:
    """The commands of those sections do what the words around them say."""
    client = stack.client("bob@example.org")
    client.sign_up()
    reader = Reader(stack, tmp_path)
    reader.known["TOKEN"] = client.token
    answered = reader.run(_command("Prefer: wait"))
    assert answered["state"] == "completed"
    reader.known["JOB"] = answered["id"]
    told = reader.run(_command("/events/"))
    kinds = re.findall(r"^event: (.+)$", told, flags=re.MULTILINE)
    assert kinds[0] == "job.queued"
    assert "text.delta" in kinds
    assert kinds[-1] == "job.completed"
    path = f"/api/v1/jobs/{answered['id']}/"
    # Celery's own records come a moment after the end; from then on nothing changes any more.
    until(lambda: all(step["record"] for step in client.get(path)["steps"]))
    etag = client.request("GET", path).headers["ETag"]
    reader.run(_command("If-None-Match").replace('"4f0c…"', etag))
    assert list(reader.statuses.values()) == [200, 200, 304]
