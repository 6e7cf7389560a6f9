"""When a connection to PostgreSQL is asked whether it still works, and when it need not be.

Runs in the tests' second pass, whose DATABASE_URL names PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from django.conf import settings
from django.db import ProgrammingError, connection

from pipelines.core.database import refresh_connection
from project.postgresql import base

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs("postgres"),
    pytest.mark.skipif(
        "sqlite" in settings.DATABASES["default"]["ENGINE"], reason="runs in the PostgreSQL pass"
    ),
]

Look = Callable[[str, int], Any]


class Clock:
    """A clock that stands still unless a test moves it; in seconds."""

    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(base, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def session(clock: Clock) -> int:
    """The process of the server that serves our connection, which is new."""
    connection.close()
    return served_by()


@pytest.fixture
def look(postgres_url: str) -> Iterator[Look]:
    """Ask the server one thing about a process, over a line of its own."""
    with closing(psycopg2.connect(postgres_url)) as onlooker:
        onlooker.autocommit = True

        def look(statement: str, pid: int) -> Any:
            with onlooker.cursor() as cursor:
                cursor.execute(statement, [pid])
                [(answer,)] = cursor.fetchall()
            return answer

        yield look


def served_by() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [(pid,)] = cursor.fetchall()
    return int(pid)


def check() -> None:
    """Do what a request and a step begin with; a cursor by itself sends nothing."""
    refresh_connection()
    connection.cursor().close()


def last_asked(look: Look, session: int) -> str:
    """When a session last did something, and what."""
    statement = "SELECT concat(state_change, ' ', query) FROM pg_stat_activity WHERE pid = %s"
    return str(look(statement, session))


def end(look: Look, session: int) -> None:
    """End a session, and return when its process is gone."""
    assert look("SELECT pg_terminate_backend(%s, 10000)", session) is True


def test_a_quiet_connection_heard_of_just_now_is_asked_nothing(
    look: Look, session: int, clock: Clock
) -> None:
    before = last_asked(look, session)

    clock.now += base.TRUSTED_SECONDS - 0.01
    for _ in range(3):
        check()

    assert last_asked(look, session) == before
    assert served_by() == session


def test_after_the_limit_it_is_asked_once_and_trusted_again(
    look: Look, session: int, clock: Clock
) -> None:
    clock.now += base.TRUSTED_SECONDS

    check()

    asked = last_asked(look, session)
    assert "SELECT 1" in asked
    clock.now += base.TRUSTED_SECONDS - 0.01
    check()
    assert last_asked(look, session) == asked
    assert served_by() == session


def test_a_session_that_the_server_ended_is_replaced_at_the_next_check(
    look: Look, session: int
) -> None:
    end(look, session)

    check()

    assert served_by() != session


def test_so_is_one_that_passed_a_check_just_before(look: Look, session: int, clock: Clock) -> None:
    clock.now += base.TRUSTED_SECONDS
    check()
    end(look, session)

    check()

    assert served_by() != session


def test_its_successor_is_trusted(look: Look, session: int, clock: Clock) -> None:
    """Given that time has passed since the first was opened, the second's counts from its own."""
    clock.now += base.TRUSTED_SECONDS
    end(look, session)
    check()
    successor = served_by()
    before = last_asked(look, successor)

    check()

    assert last_asked(look, successor) == before


def test_after_an_error_it_is_asked_at_once(look: Look, session: int) -> None:
    with pytest.raises(ProgrammingError), connection.cursor() as cursor:
        cursor.execute("SELECT nonsense")

    check()

    assert "SELECT 1" in last_asked(look, session)
    assert served_by() == session


def test_one_that_was_closed_on_this_side_is_replaced(session: int) -> None:
    connection.connection.close()

    check()

    assert served_by() != session
