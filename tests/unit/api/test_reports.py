"""Reports: made as jobs, mailed to the own verified address only."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.jobs.models import Job
from pipelines.mail.models import Email
from pipelines.reports.models import Report
from tests.factories import ArtifactFactory, EmailFactory, ReportFactory
from tests.unit.api.conftest import Rows


def _ask(client: APIClient, **body: Any) -> Any:
    body = {"title": "Roadmap", "content": "# Roadmap", **body}
    return client.post("/api/v1/reports/", body, format="json")


def test_a_report_is_accepted(client: APIClient, user: User) -> None:
    """Given Markdown, the answer is the report and the job that makes it, without an e-mail."""
    response = _ask(client)
    report, job = Report.objects.get(), Job.objects.get()
    assert response.status_code == 202
    assert response["Location"] == f"/api/v1/jobs/{job.pk}/"
    assert response.json()["report"] == {
        "id": str(report.pk),
        "title": "Roadmap",
        "job_id": str(job.pk),
        "state": "queued",
        "artifacts": [],
        "created_at": report.created_at.isoformat().replace("+00:00", "Z"),
        "content": "# Roadmap",
    }
    assert [step["name"] for step in response.json()["job"]["steps"]] == ["reports.render"]
    assert client.get(f"/api/v1/reports/{report.pk}/").json() == response.json()["report"]
    assert (report.owner, Email.objects.count()) == (user, 0)


def test_an_email_goes_to_the_own_address(client: APIClient, user: User) -> None:
    """Given the wish for an e-mail, it goes to the account's address, whatever the body says."""
    response = _ask(client, email=True, mail_to="other@example.org", to="other@example.org")
    assert response.status_code == 202
    assert Email.objects.get().to == user.email
    steps = [step["name"] for step in response.json()["job"]["steps"]]
    assert steps == ["reports.render", "mail.send"]


def test_an_unverified_address_gets_none(client: APIClient, user: User, rows: Rows) -> None:
    """Given an address that is not verified, the answer is 422 and nothing is written."""
    user.email_verified_at = None
    before = rows()
    response = _ask(client, email=True)
    assert (response.status_code, response.json()["code"]) == (422, "email_unverified")
    assert rows() == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"content": " "}, 422, "empty"),
        ({"content": "x" * 200_001}, 413, "too_large"),
        ({"title": ""}, 422, "invalid_input"),
        ({"title": "x" * 201}, 422, "invalid_input"),
        ({"email": "other@example.org"}, 422, "invalid_input"),
    ],
)
def test_a_poor_report_writes_nothing(
    client: APIClient, rows: Rows, body: dict[str, Any], status: int, code: str
) -> None:
    """Given a report that cannot be made, nothing is written."""
    before = rows()
    response = _ask(client, **body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert rows() == before


def test_reports_are_their_owners(client: APIClient, stranger: APIClient, user: User) -> None:
    """Given a report with a file, its owner sees both, a stranger neither; lists leave the text."""
    report = ReportFactory.create(owner=user)
    artifact = ArtifactFactory.create(job=report.job)
    (row,) = client.get("/api/v1/reports/").json()["data"]
    assert (row["id"], row["state"]) == (str(report.pk), "queued")
    assert [file["sha256"] for file in row["artifacts"]] == [artifact.sha256]
    assert "content" not in row
    assert stranger.get("/api/v1/reports/").json()["data"] == []
    assert stranger.get(f"/api/v1/reports/{report.pk}/").status_code == 404


def test_a_report_outlives_its_job(client: APIClient, user: User) -> None:
    """Given a report whose job was too old to be kept, it is shown without state and files."""
    report = ReportFactory.create(owner=user, job=None)
    body = client.get(f"/api/v1/reports/{report.pk}/").json()
    assert (body["job_id"], body["state"], body["artifacts"]) == (None, None, [])


def test_emails_are_their_owners(client: APIClient, user: User) -> None:
    """Given e-mails of two owners, one sees the own, without its text."""
    own = EmailFactory.create(owner=user)
    EmailFactory.create()
    assert client.get("/api/v1/emails/").json()["data"] == [
        {
            "id": str(own.pk),
            "job_id": None,
            "state": "queued",
            "message_id": own.message_id,
            "to": user.email,
            "subject": "Hello",
            "attachments": [],
            "created_at": own.created_at.isoformat().replace("+00:00", "Z"),
            "sent_at": None,
        }
    ]
