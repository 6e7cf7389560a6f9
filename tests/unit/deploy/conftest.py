"""The sandbox process of one test file, and an openai client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.sandbox_server import SandboxServer, sandbox_server
from tests.unit.deploy.sandbox_client import client_of


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with sandbox_server() as running:
        yield running


@pytest.fixture
def sandbox(server: SandboxServer) -> SandboxServer:
    server.reset()
    return server


@pytest.fixture
def client(sandbox: SandboxServer) -> Iterator[OpenAI]:
    with client_of(sandbox) as made:
        yield made
