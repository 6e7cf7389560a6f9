"""All of a person's data as a file, and none of it any more, on real processes."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any
from zipfile import ZipFile

import pytest

from tests.acceptance.client import PASSWORD, Client
from tests.acceptance.stack import Stack, running_stack, until
from tests.services import on_each_database

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.slow,
    pytest.mark.needs("redis"),
    on_each_database,
]

# Looks through every table for a text, whatever the column.
_SEARCH = """
from django.apps import apps
from django.core import serializers
for model in apps.get_models():
    for row in model._default_manager.all().iterator():
        whole = serializers.serialize("json", [row])
        content = bytes(row.content) if model.__name__ == "Document" else b""
        if "{word}" in whole or b"{word}" in content:
            print("found in", model._meta.label)
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("home"), services) as stack:
        yield stack


def _writing(stack: Stack, word: str) -> Client:
    """Somebody who has used everything, and left a word everywhere."""
    client = stack.client(f"{word}@example.com")
    client.sign_up()
    client.upload(f"About {word}", f"{word}.txt", f"The {word} pays fourpence.\n".encode() * 50)
    turn = client.wait(client.turn(f"Write the finalized AI roadmap of {word}")["id"])
    client.wait(turn["children"][0]["id"], seconds=90)
    client.post("/api/v1/batches/", {"turns": [{"message": f"What of {word}?"}]})
    client.post("/api/v1/api-keys/", {"name": word, "scopes": ["read"]})
    hooks = {"url": f"https://{word}.invalid/", "events": ["job.failed"]}
    client.post("/api/v1/webhooks/endpoints/", hooks)
    return client


def _found(stack: Stack, word: str) -> list[str]:
    """Where a word stands yet: in tables, and in files under the home."""
    tables = stack.manage("shell", "-v0", "-c", _SEARCH.format(word=word)).splitlines()
    files = [
        str(path.relative_to(stack.home))
        for path in stack.home.rglob("*")
        # The logs name accounts, and the outbox stands for what was sent and cannot be called back.
        if path.is_file() and path.suffix != ".log" and "outbox" not in path.parts
        if word.encode() in path.read_bytes() and "sqlite3" not in path.name
    ]
    return [*(line for line in tables if line.startswith("found")), *files]


def _erase(client: Client) -> None:
    answer = client.request("DELETE", "/api/v1/accounts/me/", json={"password": PASSWORD})
    assert answer.status_code == 202, answer.text
    assert client.request("GET", "/api/v1/jobs/").status_code == 401


def test_an_export_holds_it_all(stack: Stack) -> None:
    client = _writing(stack, "amaranth")
    own = client.get("/api/v1/conversations/")["data"]
    job = client.wait(client.post("/api/v1/accounts/me/export/", {})["id"])
    assert job["state"] == "completed", job
    (file,) = job["artifacts"]
    archive = ZipFile(io.BytesIO(client.download(file["url"])))
    assert archive.testzip() is None
    rows: dict[str, list[Any]] = {
        name: json.loads(archive.read(name))
        for name in archive.namelist()
        if name.endswith(".json")
    }
    assert {row["id"] for row in rows["conversations.json"]} >= {row["id"] for row in own}
    reports = [name for name in archive.namelist() if name.endswith("roadmap.pdf")]
    assert archive.read(reports[0]).startswith(b"%PDF")
    uploads = [name for name in archive.namelist() if name.startswith("documents/")]
    assert archive.read(uploads[0]).startswith(b"The amaranth pays")
    assert not re.search(rb"whsec_|tpk_\w{20}", b"".join(map(archive.read, archive.namelist())))


def test_an_erasure_leaves_nothing(stack: Stack) -> None:
    client, other = _writing(stack, "zinnia"), _writing(stack, "marigold")
    assert _found(stack, "zinnia")
    _erase(client)
    until(lambda: _found(stack, "zinnia") == [], seconds=60, pause=1)
    found = other.post("/api/v1/knowledge/search/", {"query": "Who pays fourpence?"})
    passages = other.wait(found["id"])["result"]["passages"]
    assert {"marigold" in row["text"] for row in passages} == {True}


def test_a_killed_erasure_is_ended_by_the_next(stack: Stack) -> None:
    client = _writing(stack, "foxglove")
    for number in range(60):
        client.post("/api/v1/conversations/", {"title": f"foxglove {number}"})
    _erase(client)
    stack.kill("default")
    stack.start("default")
    until(lambda: _found(stack, "foxglove") == [], seconds=90, pause=1)
