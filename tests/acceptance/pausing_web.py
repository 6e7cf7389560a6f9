"""A front door that stops in the middle of a request with a key, so that a test can kill it there.

PAUSE_AT names the point: `taken`, with the key taken and nothing created; `created`, with all
written but the answer; `kept`, with the answer written too; `committed`, with nothing left to do
but to answer. Whoever comes to it makes the file PAUSED_FILE and waits for its end.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from project.asgi import application

# The application sets Django up, and what follows needs that.
# isort: split
from django.db import transaction

from pipelines.idempotency import services
from pipelines.idempotency.models import KeptAnswer

__all__ = ["application"]

FOREVER = 600.0

_key_take, _answer_keep = services.key_take, services.answer_keep


def _pause(point: str) -> None:
    if os.environ["PAUSE_AT"] == point:
        Path(os.environ["PAUSED_FILE"]).touch()
        time.sleep(FOREVER)


def _key_take_pausing(**given: Any) -> tuple[KeptAnswer, bool]:
    taken = _key_take(**given)
    _pause("taken")
    return taken


def _answer_keep_pausing(**given: Any) -> None:
    _pause("created")
    _answer_keep(**given)
    _pause("kept")
    transaction.on_commit(lambda: _pause("committed"))


services.key_take = _key_take_pausing
services.answer_keep = _answer_keep_pausing
