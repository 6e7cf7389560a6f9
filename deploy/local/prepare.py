"""Brings the database and the static files up to date: `python -m deploy.local.prepare`."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path


def main() -> int:
    """Do all of it, one line for each thing done; what is up to date already is left alone.

    Returns:
        The exit status.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.dev")
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import CommandError, call_command
    from django.db import OperationalError, connection

    try:
        migrate()
        collect_static()
        forget_dead_nodes()
        # With a database of the home's own, what the demo user may do concerns nobody else.
        call_command("seed", superuser=connection.vendor == "sqlite", home=str(settings.HOME))
    except OperationalError as error:
        reason = " ".join(str(error).split())
        _say(f"The database cannot be used: {reason}")
        return 1
    except CommandError as error:
        _say(str(error))
        return 1
    return 0


def migrate() -> None:
    """Apply the migrations that wait."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        call_command("migrate", interactive=False, verbosity=0)
    _say(f"Database: {len(waiting)} migrations applied" if waiting else "Database: up to date")


def collect_static() -> None:
    """Collect the static files when one of them, or the set of them, has changed."""
    from django.conf import settings
    from django.core.management import call_command

    mark = Path(settings.HOME, "run", "static.sha256")
    state = static_state()
    if Path(settings.STATIC_ROOT).is_dir() and mark.exists() and mark.read_text() == state:
        _say("Static files: up to date")
        return
    call_command("collectstatic", interactive=False, clear=True, verbosity=0, stdout=io.StringIO())
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(state)
    _say("Static files: collected")


def static_state() -> str:
    """Digest the names, sizes and times of all static files."""
    digest = hashlib.sha256()
    for name, path in sorted(_static_files()):
        status = Path(path).stat()
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _static_files() -> Iterator[tuple[str, str]]:
    from django.contrib.staticfiles.finders import get_finders

    for finder in get_finders():
        for name, storage in finder.list([]):
            yield str(name), storage.path(name)


def forget_dead_nodes() -> None:
    """Forget processes of an earlier run that were killed, lest readiness counts on them."""
    from pipelines.jobs import nodes

    for node in nodes.nodes_alive():
        role = node.name.removesuffix(f":{node.pid}")
        if nodes.node_name("").removesuffix(f":{os.getpid()}") == f"@{role.rpartition('@')[2]}":
            try:
                os.kill(node.pid, 0)
            except ProcessLookupError:
                nodes.node_gone(name=node.name)
            except PermissionError:
                pass


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
