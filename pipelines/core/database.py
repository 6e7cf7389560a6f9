"""What it means that the database cannot be used just now."""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError, connection

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
