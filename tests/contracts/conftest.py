"""One running Turnpike for all contracts, and clients that know nothing but their contract."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import redis

from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack
from tests.conftest import empty_database
from tests.services import service_url

_REDIS_DATABASE = 12


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[Stack]:
    url = redis_url.rpartition("/")[0] + f"/{_REDIS_DATABASE}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    with ExitStack() as open_things:
        environment = {"REDIS_URL": url}
        if (postgres := service_url("postgres")) is not None:
            environment["DATABASE_URL"] = open_things.enter_context(empty_database(postgres))
        home, names = tmp_path_factory.mktemp("home"), (*PLAIN_TURN, "mail", "pdf", "beat")
        yield open_things.enter_context(running_stack(home, environment, only=names))


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx.Client]:
    """A client that keeps cookies, as a browser does, and follows no redirect."""
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        yield client


@pytest.fixture
def name() -> str:
    """A name that nobody has yet."""
    return f"ada-{uuid4().hex[:10]}"


class Mailbox:
    """What was sent, by address."""

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox

    def wait(self, address: str, subject: str) -> str:
        """Wait for an e-mail to an address; return its text."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for file in sorted(self._outbox.rglob("*.eml")):
                message = message_from_bytes(file.read_bytes())
                if message["To"] == address and subject in message["Subject"]:
                    part = (
                        next(message.walk())
                        if not message.is_multipart()
                        else next(
                            part
                            for part in message.walk()
                            if part.get_content_type() == "text/plain"
                        )
                    )
                    return bytes(part.get_payload(decode=True)).decode()
            time.sleep(0.1)
        raise AssertionError(f"no e-mail to {address} about {subject}")

    def link(self, address: str, subject: str) -> str:
        """Wait for an e-mail, and return the link in it."""
        found = re.search(r"https?://\S+", self.wait(address, subject))
        assert found is not None
        return found[0]


@pytest.fixture
def mailbox(stack: Stack) -> Mailbox:
    return Mailbox(stack.home / "outbox")
