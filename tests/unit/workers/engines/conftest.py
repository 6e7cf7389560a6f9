"""Servers that the engines speak to: a sandbox model, and endpoints of webhooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox_server import SandboxServer, sandbox_server
from tests.unit.workers.engines.courier_servers import Serve, servers


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with sandbox_server() as running:
        yield running


@pytest.fixture
def sandbox(server: SandboxServer) -> SandboxServer:
    server.reset()
    return server


@pytest.fixture
def serve() -> Iterator[Serve]:
    """What starts an endpoint that talks as a test says."""
    with servers() as start:
        yield start
