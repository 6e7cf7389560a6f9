"""What the tests of the workers share."""

from __future__ import annotations

import threading

import pytest

from workers import base
from workers.leases import LeaseKeeper


@pytest.fixture(autouse=True)
def lease_keeper(monkeypatch: pytest.MonkeyPatch) -> LeaseKeeper:
    """The keeper of this process, which looks when a test says so.

    Its thread would look over a connection of its own, which sees nothing of what the test's
    transaction has written, and take every step for lost.
    """
    keeper = LeaseKeeper()
    keeper._thread = threading.current_thread()
    monkeypatch.setattr(base, "keeper", lambda: keeper)
    return keeper
