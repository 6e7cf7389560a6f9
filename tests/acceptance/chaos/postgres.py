"""A PostgreSQL cluster of our own, which can be crashed and restarted without harm to others."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from deploy.local.guard import Guard
from tests.acceptance.stack import free_port, until

USER = "postgres"
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
# No fsync: the machine does not lose its power here, only processes die.
_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",
}


def find_program(name: str) -> str | None:
    """Find one of PostgreSQL's programs, which many systems keep off the PATH."""
    folders = [str(path) for place in _PLACES for path in Path("/").glob(place.lstrip("/"))]
    return shutil.which(name, path=os.pathsep.join([*sorted(folders, reverse=True), os.defpath]))


def _program(name: str) -> str:
    found = find_program(name)
    if found is None:
        raise RuntimeError(f"There is no {name}: install PostgreSQL's server.")
    return found


class Postgres:
    """A cluster on a port of its own; whoever connects is let in."""

    def __init__(self, folder: Path, guard: Guard, *, fsync: bool = False) -> None:
        """Prepare; `make` makes and starts it."""
        self._guard = guard
        self.folder = folder
        self.port = free_port()
        self._fsync = fsync
        # PostgreSQL refuses to run as root.
        self._user = pwd.getpwnam(USER) if os.getuid() == 0 else None

    def url(self, database: str, port: int | None = None) -> str:
        """The address of a database, by another port if one leads here."""
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{database}"

    def make(self) -> None:
        """Make the cluster and start it."""
        self.folder.mkdir(mode=0o700)
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            options = {**_OPTIONS, "port": str(self.port), "fsync": "on" if self._fsync else "off"}
            file.writelines(f"{name} = {value}\n" for name, value in options.items())
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._control("start", "-l", str(self.folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        """Stop; `immediate` is a crash, `fast` ends each connection with a message."""
        leader = self._leader()
        self._control("stop", "-m", mode)
        self._guard.remove(leader)

    def restart(self, mode: str) -> None:
        """Stop and start again."""
        self.stop(mode)
        self.start()

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement outside any transaction."""
        connection = psycopg2.connect(self.url(database))
        try:
            connection.autocommit = True
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def rows(self, database: str, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Read rows, each by the names of its columns."""
        connection = psycopg2.connect(self.url(database))
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, values)
                names = [column.name for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        finally:
            connection.close()

    def is_up(self) -> bool:
        """Whether it lets us in."""
        try:
            self.execute("SELECT 1")
        except psycopg2.Error:
            return False
        return True

    def _control(self, verb: str, *words: str) -> None:
        self._run("pg_ctl", verb, "-w", "-t", "60", "-D", str(self.folder / "data"), *words)
        if verb == "start":
            until(self.is_up, seconds=60)
            self._guard.add(self._leader())

    def _leader(self) -> int:
        """The server's process id, which is its group's, too; its children end with it."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [_program(program), *words],
            cwd=self.folder,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            check=False,
            # The server inherits what pg_ctl has: a pipe would never end.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            user=self._user.pw_uid if self._user else None,
            group=self._user.pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            start_new_session=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} {words[0]}: {(done.stderr or b'').decode()}")


@contextmanager
def private_postgres(folder: Path, *, fsync: bool = False) -> Iterator[Postgres]:
    """Run a cluster, and stop it at the end."""
    guard = Guard()
    server = Postgres(folder, guard, fsync=fsync)
    try:
        server.make()
        yield server
    finally:
        server.stop()
        guard.close()
