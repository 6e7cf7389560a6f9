"""An export: all that is one's own, and nothing of anybody else's."""

from __future__ import annotations

import io
import json
from zipfile import ZipFile

import pytest

from pipelines.accounts.models import User
from pipelines.core.errors import Conflict
from pipelines.jobs.models import Artifact
from pipelines.privacy.contents import EXPORTED
from pipelines.privacy.exporting import export_write
from pipelines.privacy.services import export_request
from tests.factories import UserFactory
from tests.unit.pipelines.privacy.conftest import Make, settled

# Tables in which a person writes nothing.
_WORDLESS = ("balance", "batches", "collections", "files", "jobs", "webhook_deliveries")


def _exported(owner: User) -> ZipFile:
    target, told = io.BytesIO(), list[str]()
    export_write(target, owner, told.append)
    assert told == [*(table.name for table in EXPORTED), "documents", "files"]
    archive = ZipFile(target)
    assert archive.testzip() is None
    return archive


def _rows(archive: ZipFile, name: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(archive.read(f"{name}.json"))
    return rows


def test_all_is_there_and_nothing_of_anothers(make: Make) -> None:
    owner, _ = make("amaranth"), make("zinnia")
    archive = _exported(owner)
    whole = {name: archive.read(name) for name in archive.namelist()}

    assert not any(b"zinnia" in content for content in whole.values())
    without = {"README.txt", *(f"{name}.json" for name in _WORDLESS)}
    assert {name for name, content in whole.items() if b"amaranth" not in content} <= without
    assert _rows(archive, "account")[0]["id"] == str(owner.pk)
    assert [row["content"] for row in _rows(archive, "messages")] == [
        "Who pays amaranth?",
        "amaranth",
    ]
    assert all(_rows(archive, table.name) for table in EXPORTED)


def test_files_lie_under_names_that_lead_nowhere(make: Make) -> None:
    archive = _exported(make("amaranth"))
    (upload,) = [name for name in archive.namelist() if name.startswith("documents/")]
    assert upload.endswith("/amaranth.txt")
    assert ".." not in upload
    assert archive.read(upload) == b"amaranth"
    (report,) = [name for name in archive.namelist() if name.startswith("files/")]
    assert archive.read(report) == b"amaranth"


def test_secrets_are_not_in_it(make: Make) -> None:
    archive = _exported(make("amaranth"))
    (endpoint,) = _rows(archive, "webhook_endpoints")
    (key,) = _rows(archive, "api_keys")
    assert not {"secret", "old_secret", "digest"} & (endpoint.keys() | key.keys())
    assert b"whsec_" not in b"".join(archive.read(name) for name in archive.namelist())
    assert "password" not in _rows(archive, "account")[0]


@pytest.mark.django_db
def test_an_account_without_anything_has_an_export() -> None:
    archive = _exported(UserFactory.create())
    assert {name: len(_rows(archive, name)) for name in ("account", "messages", "files")} == {
        "account": 1,
        "messages": 0,
        "files": 0,
    }


def test_a_file_that_was_lost_does_not_keep_the_rest(make: Make) -> None:
    owner = make("amaranth")
    Artifact.objects.filter(job__owner=owner).update(key="nowhere/file")
    archive = _exported(owner)
    (report,) = [name for name in archive.namelist() if name.startswith("files/")]
    assert archive.read(report) == b""


def test_one_export_at_a_time(make: Make) -> None:
    owner = make("amaranth")
    export_request(owner=owner)
    with pytest.raises(Conflict):
        export_request(owner=owner)
    export_request(owner=settled(owner))
