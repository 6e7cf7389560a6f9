"""Files: recorded with their step, and swept away when nobody owns them."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from pytest_django import Settings

from pipelines.core.errors import Unavailable
from pipelines.jobs.artifacts import artifact_open, artifact_record, file_store, files_sweep
from tests.unit.pipelines.jobs.conftest import Accept

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, settings: Settings) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def _store(job_id: object, age: timedelta = 2 * HOUR) -> str:
    stored = file_store(job_id=job_id, name="a.txt", content_type="text/plain", content=b"x")  # type: ignore[arg-type]
    then = time.time() - age.total_seconds()
    os.utime(default_storage.path(stored.key), (then, then))
    return stored.key


def test_a_recorded_file_can_be_read(accept: Accept) -> None:
    job = accept()
    stored = file_store(job_id=job.pk, name="a.txt", content_type="text/plain", content=b"abc")

    artifact = artifact_record(job_id=job.pk, file=stored)

    with artifact_open(artifact) as file:
        assert file.read() == b"abc"
    assert (artifact.size, artifact.sha256[:8]) == (3, "ba7816bf")


def test_two_attempts_never_share_a_file(accept: Accept) -> None:
    job = accept()

    assert _store(job.pk) != _store(job.pk)


def test_a_storage_that_cannot_be_written_is_worth_another_try(
    accept: Accept, storage: Path
) -> None:
    (storage / "blocked").touch()

    with pytest.raises(Unavailable) as error:
        file_store(job_id="blocked", name="a", content_type="", content=b"x")  # type: ignore[arg-type]

    assert (error.value.error_code, error.value.retryable) == ("storage_unavailable", True)


def test_files_without_an_owner_go_once_they_are_old(accept: Accept) -> None:
    job, gone = accept(), accept()
    owned = file_store(job_id=job.pk, name="a.txt", content_type="text/plain", content=b"x")
    artifact_record(job_id=job.pk, file=owned)
    os.utime(default_storage.path(owned.key), (0, 0))
    young, old, orphan = _store(job.pk, timedelta(0)), _store(job.pk), _store(gone.pk)

    assert sum(files_sweep(older_than=HOUR)) == 2

    kept = [key for key in (owned.key, young, old, orphan) if default_storage.exists(key)]
    assert kept == [owned.key, young]
    assert not default_storage.exists(str(gone.pk))


def test_without_a_storage_there_is_nothing_to_sweep(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "none"

    assert list(files_sweep(older_than=HOUR)) == []
