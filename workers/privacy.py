"""The tasks of an export and of an erasure."""

from __future__ import annotations

import shutil
from tempfile import TemporaryFile
from uuid import UUID

from django.conf import settings
from django.core.files import File

from pipelines.jobs.artifacts import artifact_record, file_store
from pipelines.jobs.models import Job
from pipelines.knowledge.selectors import collections_lost
from pipelines.privacy import pipeline
from pipelines.privacy.erasing import erase
from pipelines.privacy.exporting import NAME, export_write
from workers.base import Run, step_task


@step_task(pipeline.COLLECT)
def collect(run: Run) -> None:
    """Write an account's export beside the disk's other temporary files, and store it."""

    def tell(part: str) -> None:
        run.check()
        run.progress(part=part)

    owner = Job.objects.select_related("owner").get(pk=run.job_id).owner
    assert owner is not None  # whoever asked
    with TemporaryFile() as target:
        export_write(target, owner, tell)
        size = target.tell()
        target.seek(0)
        file = file_store(
            job_id=run.job_id, name=NAME, content_type="application/zip", content=File(target)
        )
    with run.recording() as outcome:
        artifact_record(job_id=run.job_id, file=file)
        outcome.output = {"artifacts": [NAME], "size": size}


@step_task(pipeline.ERASE_ROWS)
def erase_rows(run: Run) -> None:
    """Delete the rows and the files of an account that was closed."""
    count = 0
    for count in erase(UUID(run.input["owner_id"])):
        run.check()
        run.progress(deleted=count)
    with run.recording() as outcome:
        outcome.output = {"deleted": count}


@step_task(pipeline.ERASE_INDEXES)
def erase_indexes(run: Run) -> None:
    """Delete the index files of collections that there are no more, whosever they were."""
    root = settings.INDEX_ROOT
    folders = [path.name for path in root.iterdir()] if root.exists() else []
    lost = collections_lost(folders)
    for name in lost:
        run.check()
        shutil.rmtree(root / name, ignore_errors=True)
    with run.recording() as outcome:
        outcome.output = {"collections": len(lost)}
