"""`celery -A celerybeat.app beat`: beat, with the declared schedule in its database."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any

import django
from celery.signals import beat_init

from project.celery import app

django.setup()

__all__ = ["app"]


@beat_init.connect
def start(**_: Any) -> None:
    """Sync the schedule, then say again and again that beat is alive."""
    from django.conf import settings

    from celerybeat.sync import sync
    from pipelines.core.database import survive
    from pipelines.jobs import nodes

    sync()
    name = nodes.node_name("beat")

    def keep_saying() -> None:
        while True:
            time.sleep(settings.NODE_SECONDS)
            survive("beat", say)

    say = partial(nodes.node_seen, name=name, role="beat")
    say()
    threading.Thread(target=keep_saying, name="node", daemon=True).start()
