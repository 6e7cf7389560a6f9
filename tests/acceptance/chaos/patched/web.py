"""The front door with one point: `web.committed`, between the commit and the publishing."""

from __future__ import annotations

from pipelines.core import dispatch
from project.asgi import application
from project.celery import app
from tests.acceptance.chaos.patched import broken, deliveries
from tests.acceptance.chaos.patched.points import reach

__all__ = ["application"]

_submit = dispatch._Sender.submit


def _submit_by_point(sender: dispatch._Sender, hint: dispatch.Hint) -> None:
    reach("web.committed")
    _submit(sender, hint)


dispatch._Sender.submit = _submit_by_point  # type: ignore[method-assign,assignment]
deliveries.patch(app)
broken.patch()
