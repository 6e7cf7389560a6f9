"""The home folder: whose it is at the moment, and the folders in it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from deploy.local.errors import RunnerError

_LOCK: Final = Path("run", "lock")


@dataclass(frozen=True)
class Holder:
    """The runner that holds a home.

    Attributes:
        pid: Its process id.
        address: Where its product answers.
    """

    pid: int
    address: str


@contextmanager
def hold(home: Path, address: str) -> Iterator[None]:
    """Hold a home for as long as the block runs; the kernel lets go of it whatever happens.

    Raises:
        RunnerError: Another runner holds it, or the folder cannot be written to.
    """
    path = home / _LOCK
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise RunnerError(
            f"TURNPIKE_HOME={home} cannot be written to: {error.strerror}."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunnerError(_says_who(holder(home), home)) from error
        file.truncate(0)
        json.dump(asdict(Holder(os.getpid(), address)), file)
        file.flush()
        yield
        file.truncate(0)


def holder(home: Path) -> Holder | None:
    """Return who holds a home; None when nobody does."""
    try:
        with (home / _LOCK).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Holder(**json.loads(file.read() or "{}"))
    except (FileNotFoundError, ValueError, TypeError):
        pass  # nobody, or somebody who has not yet said who it is
    return None


def _says_who(runner: Holder | None, home: Path) -> str:
    if runner is None:
        return f"Turnpike is already starting or stopping with TURNPIKE_HOME={home}."
    who = f"process {runner.pid}, at {runner.address}"
    return f"Turnpike already runs with TURNPIKE_HOME={home}: {who}"
