"""The sandbox process of one test file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox_server import SandboxServer, sandbox_server


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with sandbox_server() as running:
        yield running


@pytest.fixture
def sandbox(server: SandboxServer) -> SandboxServer:
    server.reset()
    return server
