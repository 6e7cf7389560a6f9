"""E-mails as files: the transport of a system without a provider, whose outbox a page can show."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import ClassVar

from pipelines.core.errors import Unavailable
from workers.engines.mailer.message import build, check, key
from workers.engines.mailer.types import FilesConfig, Outgoing, Receipt


class FilesMailer:
    """Writes each mail to `<directory>/<key of its Message-ID>.eml`, once."""

    name: ClassVar[str] = "files"
    idempotent: ClassVar[bool] = True

    def __init__(self, config: FilesConfig) -> None:
        """Keep the settings; the directory is made when the first mail comes."""
        self._config = config

    def send(self, mail: Outgoing, *, transmitting: Callable[[], None]) -> Receipt:
        """Write the file whole or not at all; a mail that is there already is left as it is."""
        check(mail, attachment_limit=self._config.attachment_limit)
        found = self._receipt(mail.message_id)
        if found is not None:
            return found
        try:
            temporary = self._write(bytes(build(mail)))
        except OSError as error:
            raise Unavailable("The outbox cannot be written to.") from error
        try:
            transmitting()
            self._publish(temporary, mail.message_id)
        finally:
            temporary.unlink(missing_ok=True)
        return Receipt(self.name, key(mail.message_id))

    def find(self, message_id: str, *, to: str, since: datetime) -> Receipt | None:
        """Whether the file is there."""
        return self._receipt(message_id)

    def _path(self, message_id: str) -> Path:
        return self._config.directory / f"{key(message_id)}.eml"

    def _receipt(self, message_id: str) -> Receipt | None:
        if not self._path(message_id).exists():
            return None
        return Receipt(self.name, key(message_id))

    def _write(self, content: bytes) -> Path:
        directory = self._config.directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=directory, prefix=".", suffix=".tmp", delete=False) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return Path(file.name)

    def _publish(self, temporary: Path, message_id: str) -> None:
        """Give the file its name; the directory is synced too, or a power cut could undo it."""
        try:
            temporary.replace(self._path(message_id))
            descriptor = os.open(self._config.directory, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            # A second sending finds the file if it got its name: nothing here is uncertain.
            raise Unavailable("The outbox cannot be written to.") from error
