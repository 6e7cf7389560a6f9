"""The files that jobs make: stored first, then recorded with the step's other effects."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.utils import timezone

from pipelines.core.errors import Unavailable
from pipelines.jobs.models import Artifact


@dataclass(frozen=True)
class StoredFile:
    """A file that lies in the storage and belongs to no job yet."""

    name: str
    content_type: str
    key: str
    size: int
    sha256: str


def file_store(
    *, job_id: UUID, name: str, content_type: str, content: bytes | File[bytes]
) -> StoredFile:
    """Store a file under a key of its own, so that a stale attempt never overwrites it.

    What is too large for the memory is given as an open file.

    Raises:
        Unavailable: The storage is full or away.
    """
    key = f"{job_id}/{uuid4().hex}"
    file = ContentFile(content) if isinstance(content, bytes) else content
    digest = hashlib.sha256()
    for block in file.chunks():
        digest.update(block)
    try:
        key = default_storage.save(key, file)
    except OSError as error:
        raise Unavailable(
            "The artifact storage cannot be written to.", code="storage_unavailable"
        ) from error
    return StoredFile(name, content_type, key, file.size, digest.hexdigest())


def artifact_record(*, job_id: UUID, file: StoredFile) -> Artifact:
    """Give a stored file to its job; runs in the transaction that completes the step."""
    return Artifact.objects.create(
        job_id=job_id,
        name=file.name,
        content_type=file.content_type,
        size=file.size,
        sha256=file.sha256,
        key=file.key,
    )


def artifact_open(artifact: Artifact) -> File[bytes]:
    """Open an artifact for reading.

    Raises:
        Unavailable: The storage is away or the file is gone from it.
    """
    try:
        return default_storage.open(artifact.key)
    except OSError as error:
        raise Unavailable("The file cannot be read.", code="storage_unavailable") from error


def files_delete(job_id: UUID) -> None:
    """Delete what a job stored, recorded or not."""
    folder = str(job_id)
    with suppress(FileNotFoundError):
        for name in default_storage.listdir(folder)[1]:
            default_storage.delete(f"{folder}/{name}")
        default_storage.delete(folder)


def files_sweep(*, older_than: timedelta) -> Iterator[int]:
    """Delete stored files that belong to no artifact; yield how many of each job's went.

    They are left by deleted jobs, and by attempts that died between storing and recording. Young
    ones stay, since their attempt may still record them.
    """
    before = timezone.now() - older_than
    try:
        folders, _ = default_storage.listdir("")
    except FileNotFoundError:
        return
    for folder in filter(_is_id, folders):
        # A file may go, or a folder may be filled, while it is looked at: the next sweep sees.
        with suppress(OSError):
            yield _sweep(folder, before)


def _is_id(folder: str) -> bool:
    """Whether a folder is a job's; the storage may hold others."""
    try:
        UUID(folder)
    except ValueError:
        return False
    return True


def _sweep(folder: str, before: datetime) -> int:
    _, names = default_storage.listdir(folder)
    keys = {f"{folder}/{name}" for name in names}
    owned = set(Artifact.objects.filter(key__in=keys).values_list("key", flat=True))
    lost = [key for key in keys - owned if default_storage.get_modified_time(key) < before]
    for key in lost:
        default_storage.delete(key)
    if len(lost) == len(keys):
        default_storage.delete(folder)
    return len(lost)
