"""The tiers of the tests, and the services that some of them need."""

from __future__ import annotations

import os
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg2
import pytest
from hypothesis import settings

from tests.services import HOST, SERVICES, service_url

# Folder under tests/ -> the marker of its tests; a test anywhere else is a unit test.
TIERS = {
    "contracts": "contract",
    "integration": "integration",
    "acceptance": "acceptance",
    "browser": "browser",
}

# The same examples in every run; HYPOTHESIS_PROFILE=long looks for new ones, much further.
settings.register_profile("steady", derandomize=True, deadline=None, stateful_step_count=30)
settings.register_profile("long", max_examples=2500, deadline=None, stateful_step_count=60)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The URL of a PostgreSQL server on this machine (its maintenance database)."""
    return _url_or_skip("postgres")


@contextmanager
def empty_database(postgres_url: str) -> Iterator[str]:
    """Make an empty PostgreSQL database, yield its URL, and drop it at the end."""
    name = f"turnpike_{uuid.uuid4().hex[:12]}"
    _execute(postgres_url, f'CREATE DATABASE "{name}"')
    try:
        yield postgres_url.rpartition("/")[0] + f"/{name}"
    finally:
        _execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def fresh_postgres(postgres_url: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, dropped at the end."""
    with empty_database(postgres_url) as url:
        yield url


def _execute(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The URL of a Redis server on this machine."""
    return _url_or_skip("redis")


@pytest.fixture(scope="session")
def rabbitmq_url() -> str:
    """The URL of a RabbitMQ server on this machine."""
    return _url_or_skip("rabbitmq")


def _url_or_skip(name: str) -> str:
    return service_url(name) or pytest.skip(_reason([name]))


def _reason(absent: list[str]) -> str:
    return f"needs {', '.join(absent)} (not reachable on {HOST})"


def needed(item: pytest.Item) -> list[str]:
    """The services that a test's `needs` markers name, in the order written."""
    return [str(name) for mark in item.iter_markers("needs") for name in mark.args]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test's tier, and skip those whose services are absent."""
    for item in items:
        folder = item.path.relative_to(config.rootpath).parts[1:2]
        item.add_marker(TIERS.get("".join(folder), "unit"))
        if absent := [name for name in needed(item) if service_url(name) is None]:
            item.add_marker(pytest.mark.skip(reason=_reason(absent)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which services were there, and how many tests each absent one cost."""
    cost = skipped_for(terminalreporter.stats.get("skipped", []))
    terminalreporter.section("services")
    for name in SERVICES:
        url = service_url(name)
        verdict = f"found at {url}" if url else f"NOT FOUND; tests skipped for it: {cost[name]}"
        terminalreporter.write_line(f"{name:<10} {verdict}")


def skipped_for(reports: Iterable[pytest.TestReport]) -> Counter[str]:
    """Count the skipped tests for each service whose absence is their reason."""
    reasons = [re.search(r"needs (.+) \(not reachable", str(report.longrepr)) for report in reports]
    return Counter(name for reason in reasons if reason for name in reason[1].split(", "))
