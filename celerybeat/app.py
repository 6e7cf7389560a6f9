"""`celery -A celerybeat.app beat`: beat, with the declared schedule in its database."""

from __future__ import annotations

import threading
from typing import Any

import django
import structlog
from celery.signals import beat_init

from project.celery import app

django.setup()

__all__ = ["app"]

log = structlog.get_logger(__name__)


@beat_init.connect
def start(**_: Any) -> None:
    """Sync the schedule, then say again and again that beat is alive."""
    from django.conf import settings
    from django.db import connection

    from celerybeat.sync import sync
    from pipelines.core.database import DATABASE_ERRORS, summary
    from pipelines.jobs import nodes

    sync()
    name = nodes.node_name("beat")

    def beat_alive() -> None:
        pause = threading.Event()
        while not pause.wait(settings.NODE_SECONDS):
            try:
                nodes.node_seen(name=name, role="beat")
            except DATABASE_ERRORS as error:
                log.warning("beat.database_unreachable", error=summary(error))
                connection.close()

    nodes.node_seen(name=name, role="beat")
    threading.Thread(target=beat_alive, name="node", daemon=True).start()
