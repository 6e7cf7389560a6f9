"""`celery -A workers.app worker -Q …`: the worker's app."""

from __future__ import annotations

from typing import Any

import django
from celery.signals import task_prerun

from project.celery import app

django.setup()
# Here and not in the settings, which are also those of processes that never import `workers`.
app.conf.update(result_backend="workers.records:RecordsBackend")

from pipelines.core.database import refresh_connection  # noqa: E402 - Django has to be ready
from workers import node  # noqa: E402, F401 - likewise, for its signal handlers


@task_prerun.connect
def _begin_task(**_: Any) -> None:
    refresh_connection()


__all__ = ["app"]
