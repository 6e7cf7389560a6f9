"""The main job with a worker killed by SIGKILL in each of its steps: one reply, one e-mail."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.servers import Mailbox, smtp_server
from tests.acceptance.stack import Stack, running_stack
from tests.acceptance.test_main_job import QUESTION, check_reply, check_report, sign_up
from tests.services import on_each_database

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow, pytest.mark.needs("redis")]

# Which process runs which step.
TURN = {
    "chat.retrieve": "embed",
    "chat.generate": "llm",
    "chat.finish": "default",
    "reports.render": "pdf",
    "mail.send": "mail",
}
INGEST = dict.fromkeys(
    ("knowledge.extract", "knowledge.chunk", "knowledge.embed", "knowledge.index"), "embed"
)
POINTS = ("begun", "recording")
# Killed when the server has the e-mail and nothing says so yet, nobody knows: its own test, below.
UNCERTAIN = ("mail.send", "accepted")

_numbers = itertools.count(1)


@dataclass
class Scene:
    """A running stack whose workers can be stopped at a point, and where its e-mails arrive."""

    stack: Stack
    box: Mailbox
    pauses: Path

    def kill_at(self, step: str, point: str, worker: str) -> None:
        """Wait until a worker stands at the point, kill it, and start another."""
        deadline = time.monotonic() + 90
        while not list(self.pauses.glob(f"{step}.{point}.*.paused")):
            assert time.monotonic() < deadline, f"{step} never came to {point}"
            time.sleep(0.05)
        self.stack.kill(worker)
        for file in self.pauses.iterdir():
            file.unlink()
        self.stack.start(worker)

    def ask_pause(self, step: str, point: str) -> None:
        """Let the next worker that comes to the point stop there."""
        (self.pauses / f"{step}.{point}").touch()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Scene]:
    """One stack for all the kills: each of them leaves it as it was."""
    home, pauses = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("pauses")
    with smtp_server() as box:
        environment = {
            **services,
            "PAUSE_DIR": str(pauses),
            "MAIL_TRANSPORT": "smtp",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(box.port),
            "EMAIL_SECURITY": "none",
        }
        with running_stack(home, environment, app="tests.acceptance.pausing") as stack:
            yield Scene(stack, box, pauses)


@pytest.fixture(scope="module")
def person(scene: Scene, document: tuple[str, bytes]) -> tuple[Client, object]:
    """An account with a document to ask about."""
    return sign_up(scene.stack, f"person{next(_numbers)}@example.com", document)


@on_each_database
@pytest.mark.parametrize(("step", "point"), list(itertools.product(TURN, POINTS)))
def test_a_turn_survives_its_worker(
    scene: Scene, person: tuple[Client, object], step: str, point: str
) -> None:
    client, uploaded = person
    before = len(scene.box.to(client.email))
    scene.ask_pause(step, point)

    accepted = client.turn(QUESTION)
    scene.kill_at(step, point, TURN[step])

    job = client.wait(accepted["id"], seconds=90)
    reply, report = check_reply(client, job, uploaded)
    pdf = check_report(client, report, reply)
    letters = scene.box.to(client.email)[before:]
    assert len(letters) == 1
    assert [part.get_content() for part in letters[0].iter_attachments()] == [pdf]
    attempts = {row["name"]: row["attempt"] for row in job["steps"] + report["steps"]}
    assert attempts == {**dict.fromkeys(TURN, 1), step: 2}


@pytest.mark.parametrize(("step", "point"), list(itertools.product(INGEST, POINTS)))
def test_an_ingest_survives_its_worker(scene: Scene, step: str, point: str) -> None:
    number = next(_numbers)
    client = scene.stack.client(f"ingest{number}@example.com")
    client.sign_up()
    scene.ask_pause(step, point)
    collection = client.post("/api/v1/knowledge/collections/", {"name": "Notes"})
    document = client.send_document(
        collection["id"], "harbour.md", b"# Harbour\n\nIt opens at nine."
    )

    scene.kill_at(step, point, INGEST[step])

    job = client.wait(document["job"]["id"], seconds=90)
    assert job["state"] == "completed", job
    attempts = {row["name"]: row["attempt"] for row in job["steps"]}
    assert attempts == {**dict.fromkeys(INGEST, 1), step: 2}
    search = client.wait(
        client.post("/api/v1/knowledge/search/", {"query": "When does the harbour open?"})["id"]
    )
    found = [row["text"] for row in search["result"]["passages"]]
    assert len(found) == 1
    assert "It opens at nine." in found[0]


def test_an_email_that_may_have_been_sent_is_not_sent_again(
    scene: Scene, person: tuple[Client, object]
) -> None:
    client, _ = person
    before = len(scene.box.to(client.email))
    scene.ask_pause(*UNCERTAIN)

    accepted = client.turn(QUESTION)
    scene.kill_at(*UNCERTAIN, TURN["mail.send"])

    job = client.wait(accepted["id"], seconds=90)
    report = client.wait(job["children"][0]["id"], seconds=90)
    assert (report["state"], report["error"]["code"]) == ("failed", "mail_uncertain")
    assert len(scene.box.to(client.email)) == before + 1
    assert client.get("/api/v1/emails/")["data"][0]["state"] == "uncertain"
