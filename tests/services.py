"""The services on this machine that some tests need; `python -m tests.services NAME` finds one."""

from __future__ import annotations

import os
import sys
from functools import lru_cache

import psycopg2
import pytest
import redis
from kombu import Connection

# For a test that is to run on both databases; the others run on the better one that there is.
on_each_database = pytest.mark.parametrize(
    "services", ["sqlite", "postgres"], indirect=True, scope="module"
)

HOST = "127.0.0.1"
SERVICES = ("postgres", "redis", "rabbitmq")
# Seconds that a service has to answer in before it counts as absent.
PATIENCE = 3


@lru_cache
def service_url(name: str) -> str | None:
    """Connect to a service for real.

    Args:
        name: One of `SERVICES`.

    Returns:
        The URL that worked, or None when nothing there lets us in.
    """
    if name == "postgres":
        return _postgres_url()
    if name == "redis":
        return _redis_url()
    if name == "rabbitmq":
        return _rabbitmq_url()
    raise ValueError(f"{name!r} is no service: choose from {', '.join(SERVICES)}")


def _postgres_url() -> str | None:
    """Log in without a password, as PGUSER or one of the usual two."""
    for user in filter(None, (os.environ.get("PGUSER"), "postgres", "root")):
        try:
            connection = psycopg2.connect(
                host=HOST, port=5432, user=user, dbname="postgres", connect_timeout=PATIENCE
            )
        except psycopg2.OperationalError:
            continue
        connection.close()
        return f"postgresql://{user}@{HOST}:5432/postgres"
    return None


def _redis_url() -> str | None:
    url = f"redis://{HOST}:6379/0"
    try:
        with redis.Redis.from_url(url, socket_timeout=PATIENCE) as client:
            client.ping()
    except redis.RedisError:
        return None
    return url


def _rabbitmq_url() -> str | None:
    url = f"amqp://guest:guest@{HOST}:5672//"
    with Connection(url, connect_timeout=PATIENCE) as connection:
        # Whatever the transport counts as a lost connection, a refused login included.
        absent: tuple[type[BaseException], ...] = (OSError, *connection.connection_errors)
        try:
            connection.connect()
        except absent:
            return None
    return url


def main() -> int:
    """Print the URL of the service named on the command line; 1 when it cannot be reached."""
    url = service_url(sys.argv[1])
    if url is None:
        return 1
    sys.stdout.write(f"{url}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
