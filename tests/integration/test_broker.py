"""The depth of the queues over each broker, as the relay counts them."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

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
    done = subprocess.run(
        [sys.executable, "-c", _PUBLISH_AND_COUNT],
        cwd=ROOT,
        env={
            "DJANGO_SETTINGS_MODULE": "project.settings.test",
            "TURNPIKE_HOME": str(tmp_path),
            "BROKER_URL": url,
            "BROKER_KEY_PREFIX": f"test-{uuid.uuid4().hex}:",
        },
        capture_output=True,
        text=True,
        check=True,
    )

    before, after = json.loads(done.stdout)

    assert before == {"embed": 0, "llm": 0}
    assert after == {"embed": 3, "llm": 1}
