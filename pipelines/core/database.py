"""What it means that the database cannot be used just now."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.db import DatabaseError, InterfaceError, connection

log = structlog.get_logger(__name__)

# Django's InterfaceError ("connection already closed") is no DatabaseError.
DATABASE_ERRORS = (DatabaseError, InterfaceError)


def summary(error: Exception) -> str:
    """Return the first line of a database's complaint; the rest repeats the statement."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def refresh_connection() -> None:
    """Let go of a connection that has died; the next statement opens another.

    Inside a transaction there is nothing to refresh: it has ended with its connection.
    """
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def survive(name: str, work: Callable[[], object]) -> bool:
    """Do one round of what must go on whatever goes wrong; False when it went wrong.

    Args:
        name: What goes on, as the log calls it.
        work: The round.
    """
    try:
        work()
    except DATABASE_ERRORS as error:
        log.warning("round.database_unreachable", of=name, error=summary(error))
    except Exception:
        log.exception("round.bug", of=name)
    else:
        return True
    connection.close()
    return False
