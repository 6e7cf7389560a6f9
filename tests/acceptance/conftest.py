"""A home and a database for each run of the stack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redis

from tests.acceptance.client import Client
from tests.acceptance.stack import Stack
from tests.services import service_url

# Two runs on one machine must not empty each other's database.
REDIS_DATABASE = int(os.environ.get("ACCEPTANCE_REDIS_DB", "11"))


@pytest.fixture(scope="module")
def empty_redis(redis_url: str) -> str:
    """The URL of a Redis database in which nothing is left of an earlier run."""
    url = redis_url.rpartition("/")[0] + f"/{REDIS_DATABASE}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="module")
def services(request: pytest.FixtureRequest, empty_redis: str) -> dict[str, str]:
    """Environment variables that name a database of its own: PostgreSQL's where there is one.

    The modules marked with `on_each_database` run on SQLite and on PostgreSQL.
    """
    best = "postgres" if service_url("postgres") else "sqlite"
    if getattr(request, "param", best) == "sqlite":
        return {"REDIS_URL": empty_redis}
    return {"REDIS_URL": empty_redis, "DATABASE_URL": request.getfixturevalue("fresh_postgres")}


@pytest.fixture(
    scope="module",
    params=["responses", pytest.param("chat_completions", marks=pytest.mark.long)],
)
def protocol(request: pytest.FixtureRequest) -> str:
    """How the sandbox is spoken to: its answers can be resumed, or they cannot."""
    return str(request.param)


@pytest.fixture(scope="module")
def person(stack: Stack) -> Client:
    """Somebody with an account of the module's stack."""
    client = stack.client("ada@example.com")
    client.sign_up()
    return client


@pytest.fixture(scope="session")
def document() -> tuple[str, bytes]:
    """A text that the project did not write: the GPL, as Debian carries it, or Django's licence."""
    debian = Path("/usr/share/common-licenses/GPL-3")
    if debian.exists():
        return "GPL-3.txt", debian.read_bytes()
    import importlib.metadata

    files = importlib.metadata.files("django") or []
    licence = next(file for file in files if file.name == "LICENSE.python")
    return "LICENSE.txt", Path(str(licence.locate())).read_bytes()
