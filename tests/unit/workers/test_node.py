"""A worker that is found to be deaf lets its steps finish, and waits for nothing else."""

from __future__ import annotations

import threading
import time

import pytest
from celery.worker import state

from workers import node


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What runs in this process, as the worker counts it."""
    requests: set[str] = set()
    monkeypatch.setattr(state, "active_requests", requests)
    return requests


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("running")
def test_an_idle_one_does_not_wait_out_its_grace() -> None:
    node._let_finish(grace=3600)


@pytest.mark.timeout(60)
def test_a_busy_one_waits_until_its_last_step_is_done(running: set[str]) -> None:
    running.add("step")
    began = time.monotonic()
    threading.Timer(0.5, running.clear).start()

    node._let_finish(grace=3600)

    assert time.monotonic() - began >= 0.5


@pytest.mark.timeout(60)
def test_a_step_without_end_is_waited_for_as_long_as_the_grace(running: set[str]) -> None:
    running.add("step")
    began = time.monotonic()

    node._let_finish(grace=0.3)

    assert time.monotonic() - began >= 0.3
    assert running
