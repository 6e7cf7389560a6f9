"""An export: one ZIP file of JSON, of documents as they came, and of the files that jobs made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import PurePosixPath
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile

from django.core.serializers.json import DjangoJSONEncoder

from pipelines.accounts.models import User
from pipelines.core.errors import Unavailable
from pipelines.jobs.artifacts import artifact_open
from pipelines.jobs.models import Artifact
from pipelines.knowledge.models import Document
from pipelines.privacy.contents import EXPORTED, Table

NAME = "export.zip"
_BLOCK = 64 * 1024
_README = """All that this Turnpike keeps of an account.

Each .json file is a list of rows, in the order in which they were made: {names}.
documents/ holds uploads as they came, by the id that documents.json gives them.
files/ holds what jobs made, such as reports, by the id of the job.
Secrets are left out, and so are the texts of e-mails, which may hold links to sign in by.
"""


def export_write(target: IO[bytes], owner: User, tell: Callable[[str], None]) -> None:
    """Write an account's export, a part at a time; `tell` is called with the name of each."""
    with ZipFile(target, "w", ZIP_DEFLATED, allowZip64=True) as archive:
        names = ", ".join(table.name for table in EXPORTED)
        archive.writestr("README.txt", _README.format(names=names))
        for table in EXPORTED:
            tell(table.name)
            with archive.open(f"{table.name}.json", "w", force_zip64=True) as part:
                for block in _json(table, owner):
                    part.write(block)
        tell("documents")
        for path, blocks in _documents(owner):
            _copy(archive, path, blocks)
        tell("files")
        for path, blocks in _files(owner):
            _copy(archive, path, blocks)


def _json(table: Table, owner: User) -> Iterator[bytes]:
    before = "[\n"
    for row in table.rows(owner):
        yield (before + json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False)).encode()
        before = ",\n"
    yield b"[]\n" if before == "[\n" else b"\n]\n"


def _documents(owner: User) -> Iterator[tuple[str, Iterator[bytes]]]:
    rows = Document.objects.filter(collection__owner=owner).order_by("pk")
    for pk, name, content in rows.values_list("pk", "name", "content").iterator(chunk_size=1):
        yield f"documents/{pk}/{_safe(name)}", iter([bytes(content)])


def _files(owner: User) -> Iterator[tuple[str, Iterator[bytes]]]:
    made = Artifact.objects.filter(job__owner=owner).exclude(name=NAME).order_by("pk")
    for artifact in made.iterator(chunk_size=200):
        yield f"files/{artifact.job_id}/{_safe(artifact.name)}", _read(artifact)


def _read(artifact: Artifact) -> Iterator[bytes]:
    try:
        file = artifact_open(artifact)
    except Unavailable:  # lost with a disk: the rest is worth having all the same
        return
    with closing(file):
        yield from file.chunks(_BLOCK)


def _copy(archive: ZipFile, path: str, blocks: Iterator[bytes]) -> None:
    with archive.open(path, "w", force_zip64=True) as part:
        for block in blocks:
            part.write(block)


def _safe(name: str) -> str:
    """Return the last part of a name that a client chose, which leads nowhere when unpacked."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return last if last not in {"", ".", ".."} else "file"
