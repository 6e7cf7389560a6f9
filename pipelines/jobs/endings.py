"""Who hears of every job that ends, in the transaction that ends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.jobs.models import Job

Listener = Callable[["Job"], None]

_listeners: list[Listener] = []


def on_job_end(listener: Listener) -> None:
    """Have a function called with each job that has ended, once an app is ready.

    It runs while the job is locked, before its pipeline's own hooks: it may write rows and accept
    jobs, and must ask for no lock that comes before the job's.
    """
    if listener not in _listeners:
        _listeners.append(listener)


def tell_ended(job: Job) -> None:
    """Tell all of them; what one raises undoes the end."""
    for listener in _listeners:
        listener(job)
