"""The main job, end to end: a document, a question about it, the reply, the PDF, the e-mail."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import pypdf
import pytest

from tests.acceptance.client import Client
from tests.acceptance.servers import mailersend_server, smtp_server
from tests.acceptance.stack import Stack, running_stack
from tests.services import on_each_database

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow, pytest.mark.needs("redis")]

QUESTION = "Please give me a roadmap for how to convey verbatim copies of the source code"


def words(text: str) -> list[str]:
    """The words of a text, without Markdown's marks and the language of its code."""
    return re.findall(r"[^\W_]+", re.sub(r"^```\w+$", "", text, flags=re.MULTILINE))


def pdf_text(content: bytes) -> str:
    """Read a PDF back."""
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


def holds_all(text: str, wanted: str) -> bool:
    """Whether every word of `wanted` stands in the text, as often as it is wanted."""
    have = words(text)
    return all(have.count(word) >= words(wanted).count(word) for word in set(words(wanted)))


def sign_up(stack: Stack, email: str, document: tuple[str, bytes]) -> tuple[Client, Any]:
    """Register an account and give it a document to ask about."""
    client = stack.client(email)
    client.sign_up()
    return client, client.upload("Licences", *document)


def check_reply(client: Client, job: Any, uploaded: Any) -> tuple[str, Any]:
    """Check that one reply cites the document; return its text and the report's job."""
    assert job["state"] == "completed", job
    messages = client.get(f"/api/v1/conversations/{job['result']['conversation_id']}/messages/")
    replies = [row for row in messages["data"] if row["role"] == "assistant"]
    assert len(replies) == 1
    assert uploaded["id"] in {row["document_id"] for row in replies[0]["citations"]}
    assert all(isinstance(row["position"], int) for row in replies[0]["citations"])
    assert [child["kind"] for child in job["children"]] == ["reports.report"]
    return replies[0]["content"], client.wait(job["children"][0]["id"], seconds=90)


def check_report(client: Client, report: Any, reply: str) -> bytes:
    """Check that the report's files hold the reply; return the PDF."""
    assert report["state"] == "completed", report
    urls = {file["name"]: file["url"] for file in report["artifacts"]}
    assert set(urls) == {"roadmap.txt", "roadmap.pdf"}
    assert client.download(urls["roadmap.txt"]).decode() == reply
    pdf = client.download(urls["roadmap.pdf"])
    assert holds_all(pdf_text(pdf), reply)
    return pdf


@on_each_database
def test_the_main_job_by_smtp(
    tmp_path: Path, services: dict[str, str], document: tuple[str, bytes]
) -> None:
    with smtp_server() as box:
        mail = {
            "MAIL_TRANSPORT": "smtp",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(box.port),
            "EMAIL_SECURITY": "none",
        }
        with running_stack(tmp_path, {**services, **mail}) as stack:
            client, uploaded = sign_up(stack, "ada@example.com", document)

            job = client.wait(client.turn(QUESTION)["id"])

            reply, report = check_reply(client, job, uploaded)
            pdf = check_report(client, report, reply)
            letters = box.to("ada@example.com")
            assert len(letters) == 2
            client.verify(letters[0].get_body(("plain",)).get_content())  # type: ignore[union-attr]
            assert client.get("/api/v1/accounts/me/")["email_verified"] is True
            attached = {
                part.get_filename(): part.get_content() for part in letters[1].iter_attachments()
            }
            assert attached == {"roadmap.pdf": pdf}
            assert [step["attempt"] for step in job["steps"] + report["steps"]] == [1] * 5


@pytest.mark.needs("postgres", "rabbitmq")
def test_the_main_job_over_rabbitmq(
    tmp_path: Path,
    fresh_postgres: str,
    empty_redis: str,
    rabbitmq_url: str,
    document: tuple[str, bytes],
) -> None:
    services = {
        "DATABASE_URL": fresh_postgres,
        "REDIS_URL": empty_redis,
        "BROKER_URL": rabbitmq_url,
    }
    with running_stack(tmp_path, services) as stack:
        # The other tests of this module have written accounts into the same database.
        client, uploaded = sign_up(stack, "barbara@example.com", document)

        job = client.wait(client.turn(QUESTION)["id"])

        reply, report = check_reply(client, job, uploaded)
        check_report(client, report, reply)
        assert len(list((tmp_path / "outbox").glob("*.eml"))) == 2


@on_each_database
def test_the_main_job_by_mailersend(
    tmp_path: Path, services: dict[str, str], document: tuple[str, bytes]
) -> None:
    with mailersend_server() as requests:
        mail = {
            "MAILERSEND_API_KEY": "mlsn.test",
            "MAILERSEND_URL": requests.url,
            "FROM_EMAIL": "desk@example.org",
        }
        with running_stack(tmp_path, {**services, **mail}) as stack:
            client, uploaded = sign_up(stack, "grace@example.com", document)

            job = client.wait(client.turn(QUESTION)["id"])

            reply, report = check_reply(client, job, uploaded)
            pdf = check_report(client, report, reply)
    _, (path, headers, body) = requests.posts
    assert (path, headers["authorization"]) == ("/v1/email", "Bearer mlsn.test")
    assert body["from"]["email"] == "desk@example.org"
    assert [row["email"] for row in body["to"]] == ["grace@example.com"]
    assert body["subject"] == "AI roadmap"
    [attachment] = body["attachments"]
    assert attachment["filename"] == "roadmap.pdf"
    assert base64.b64decode(attachment["content"]) == pdf
