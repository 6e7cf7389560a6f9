"""What the tests of the hot end of the logs share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from pytest_django import Settings
from redis import Redis

from pipelines.core.processes import PerProcess
from pipelines.jobs import tail


@pytest.fixture
def hot_redis(
    redis_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Redis]:
    """A real Redis, under keys that nobody else uses; this process tells it what grows."""
    settings.REDIS_URL = redis_url
    settings.EVENTS_KEY_PREFIX = f"turnpike-test:{uuid.uuid4()}:"
    settings.EVENTS_RETRY_SECONDS = 0.05
    monkeypatch.setattr(tail, "_teller", PerProcess(tail._Teller))
    with Redis.from_url(redis_url) as client:
        yield client
        for key in client.scan_iter(f"{settings.EVENTS_KEY_PREFIX}*"):
            client.delete(key)
