"""Sends messages twice, late and out of order, for as long as the file `deliveries` asks for it.

Celery sends every message through one function, the next link of a chain included; so this holds
for any broker. A held message is sent late only, and whatever comes after it overtakes it.
"""

from __future__ import annotations

import json
import random
import threading
from typing import Any

from celery import Celery

from pipelines.core.dispatch import BROKER_ERRORS
from tests.acceptance.chaos.patched.points import FOLDER

ORDER = FOLDER / "deliveries"


def patch(app: Celery) -> None:
    """Send this app's messages as the file says: `{"copies": N, "late": S, "held": share}`."""
    send = app.amqp.send_task_message

    def later(name: str, message: Any, options: dict[str, Any], seconds: float) -> None:
        def act() -> None:
            try:
                with app.producer_or_acquire() as producer:
                    send(producer, name, message, **options)
            except BROKER_ERRORS:
                return  # it is a copy, or it is lost: both may happen to a message

        timer = threading.Timer(seconds, act)
        timer.daemon = True
        timer.start()

    def send_again(producer: Any, name: str, message: Any, **options: Any) -> Any:
        try:
            order = json.loads(ORDER.read_text())
        except (FileNotFoundError, ValueError):
            return send(producer, name, message, **options)
        for _ in range(order["copies"]):
            later(name, message, options, random.uniform(0.0, order["late"]))
        if random.random() < order["held"]:
            return None
        return send(producer, name, message, **options)

    app.amqp.send_task_message = send_again  # type: ignore[misc]
