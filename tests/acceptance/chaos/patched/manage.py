"""`manage.py` with one point for the relay: `relay.marked`, between the mark and the sending."""

from __future__ import annotations

import sys

import django
from django.core.management import execute_from_command_line

from project.celery import app

django.setup()

# Only now may the product be imported.
# isort: split
from pipelines.core import dispatch  # noqa: E402
from tests.acceptance.chaos.patched import broken, deliveries  # noqa: E402
from tests.acceptance.chaos.patched.points import reach  # noqa: E402

_publish = dispatch.publish


def _publish_by_point(hint: dispatch.Hint) -> None:
    reach("relay.marked")
    _publish(hint)


def main() -> None:
    """Run a management command."""
    dispatch.publish = _publish_by_point
    deliveries.patch(app)
    broken.patch()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
