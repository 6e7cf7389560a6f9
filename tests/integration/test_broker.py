"""The depth of the queues over each broker, as the relay counts them."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.proxy import tcp_proxy

ROOT = Path(__file__).parents[2]
# A process of its own: the broker is chosen when the settings are read.
_PUBLISH_AND_COUNT = """
import django, json; django.setup()
from pipelines.core import dispatch
from pipelines.core.dispatch import Hint
from pipelines.chat.pipeline import TURN
from project.celery import app
from uuid import uuid4
with app.connection_for_write() as connection:
    for name in ("embed", "llm"):
        queue = app.amqp.queues[name](connection.default_channel)
        queue.declare(); queue.purge()
before = dispatch.queue_depths(["embed", "llm"])
for _ in range(3):
    dispatch.publish(Hint(uuid4(), 1, TURN.steps))
dispatch.publish(Hint(uuid4(), 1, TURN.steps[1:]))
print(json.dumps([before, dispatch.queue_depths(["embed", "llm"])]))
with app.connection_for_write() as connection:
    for name in ("embed", "llm"):
        app.amqp.queues[name](connection.default_channel).purge()
"""

_PUBLISH_TWICE = """
import django; django.setup()
from pipelines.core import dispatch
from pipelines.core.dispatch import BROKER_ERRORS, Hint
from pipelines.chat.pipeline import TURN
from project.celery import app
from uuid import uuid4
dispatch.publish(Hint(uuid4(), 1, TURN.steps))
print("sent", flush=True)
input()
try:
    dispatch.publish(Hint(uuid4(), 1, TURN.steps))
except BROKER_ERRORS:
    print("broker error", flush=True)
import os; os._exit(0)  # closing politely would wait for the broker
"""


@pytest.mark.parametrize(
    "broker",
    [
        pytest.param("redis", marks=pytest.mark.needs("redis")),
        pytest.param("rabbitmq", marks=pytest.mark.needs("rabbitmq")),
    ],
)
def test_what_was_published_is_counted(
    broker: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue(f"{broker}_url")

    with _process(_PUBLISH_AND_COUNT, url, tmp_path) as process:
        before, after = json.loads(_line(process))

    assert before == {"embed": 0, "llm": 0}
    assert after == {"embed": 3, "llm": 1}


@pytest.mark.needs("rabbitmq")
def test_a_line_that_died_silently_holds_a_publisher_up_for_seconds(
    rabbitmq_url: str, tmp_path: Path
) -> None:
    """Given a connection on which nothing arrives any more, publishing fails, and says so."""
    there = urlsplit(rabbitmq_url)
    with tcp_proxy(there.hostname or "", there.port or 5672) as proxy:
        url = there._replace(netloc=f"{there.username}:{there.password}@127.0.0.1:{proxy.port}")
        with _process(_PUBLISH_TWICE, url.geturl(), tmp_path) as process:
            assert _line(process) == "sent"
            proxy.blackhole()
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
            assert _line(process) == "broker error"


@contextmanager
def _process(script: str, url: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a script that speaks to a broker, and wait for it to end well."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "project.settings.test",
        "TURNPIKE_HOME": str(home),
        "BROKER_URL": url,
        "BROKER_KEY_PREFIX": f"test-{uuid.uuid4().hex}:",
        "BROKER_CONFIRM_TIMEOUT": "1",
    }
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
    assert process.returncode == 0


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
