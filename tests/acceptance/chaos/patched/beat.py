"""Beat's app, whose messages may be sent twice and late."""

from __future__ import annotations

from celerybeat.app import app
from tests.acceptance.chaos.patched import deliveries

__all__ = ["app"]

deliveries.patch(app)
