"""Each owner's fair share: how much of one owner's work is let in at once, the rest waits its turn.

A job that is not let in waits in the table, not in the broker: there it would stand in front of
everybody who comes later. Bulk work (a priority below 0) has a small window of its own, which all
owners share, so that it never fills the workers that people wait for. A job that follows from
another one (a turn's report) is part of work that was let in already.

The windows are soft: two that come at once may both find the last room. What nobody let in when a
job ended, the relay lets in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Count, QuerySet

from pipelines.jobs import ordering
from pipelines.jobs.models import Job
from pipelines.jobs.states import ACTIVE, Waits

if TYPE_CHECKING:
    from uuid import UUID

# Priorities of jobs: somebody waits for it, or nobody does.
INTERACTIVE, BULK = 0, -1


def has_room(job: Job) -> bool:
    """Whether a job may be let in now."""
    if job.owner_id is None or job.parent_id is not None:
        return True
    inside = _inside(is_bulk=job.is_bulk)
    if job.is_bulk and inside.count() >= settings.BULK_WINDOW:
        return False
    return inside.filter(owner=job.owner_id).count() < _window(is_bulk=job.is_bulk)


def release(ended: Job) -> None:
    """Let the next one in where a job that ended has left room.

    Only a row that nobody holds is taken: two ends must not wait for each other.
    """
    if ended.owner_id is None or ended.parent_id is not None:
        return
    waiting = _waiting(is_bulk=ended.is_bulk).select_for_update(no_key=True, skip_locked=True)
    if ended.is_bulk:
        following = waiting.exclude(owner__in=_full(is_bulk=True)).first()
    else:
        following = waiting.filter(owner=ended.owner_id).first()
    if following is not None and has_room(following):
        ordering.make_ready(following)


def admissible() -> Iterator[UUID]:
    """Name the jobs for which there is room now, each owner's oldest first."""
    bulk = max(0, settings.BULK_WINDOW - _inside(is_bulk=True).count())
    for is_bulk, most in ((False, settings.RELAY_BATCH), (True, bulk)):
        found: list[UUID] = []
        for owner_id, room in _rooms(most, is_bulk=is_bulk):
            own = _waiting(is_bulk=is_bulk).filter(owner=owner_id)
            found += own.values_list("pk", flat=True)[: min(room, most - len(found))]
        yield from found


def _rooms(most: int, *, is_bulk: bool) -> list[tuple[UUID, int]]:
    """List owners whose jobs wait although they have room, and how much."""
    owners = _waiting(is_bulk=is_bulk).exclude(owner__in=_full(is_bulk=is_bulk))
    ids = list(owners.order_by("owner").values_list("owner", flat=True).distinct()[:most])
    inside = _inside(is_bulk=is_bulk).filter(owner__in=ids).values_list("owner")
    taken = dict(inside.annotate(count=Count("pk")).order_by())
    return [(owner, _window(is_bulk=is_bulk) - taken.get(owner, 0)) for owner in ids]


def _window(*, is_bulk: bool) -> int:
    return settings.OWNER_BULK_WINDOW if is_bulk else settings.OWNER_WINDOW


def _of(*, is_bulk: bool) -> QuerySet[Job]:
    jobs = Job.objects.filter(state__in=ACTIVE, owner__isnull=False, parent=None)
    return jobs.filter(priority__lt=0) if is_bulk else jobs.filter(priority__gte=0)


def _inside(*, is_bulk: bool) -> QuerySet[Job]:
    return _of(is_bulk=is_bulk).filter(waits_for=Waits.NOTHING)


def _waiting(*, is_bulk: bool) -> QuerySet[Job]:
    return _of(is_bulk=is_bulk).filter(waits_for=Waits.SHARE).order_by("pk")


def _full(*, is_bulk: bool) -> QuerySet[Job, UUID]:
    """Choose the owners that have no room."""
    inside = _inside(is_bulk=is_bulk).order_by().values("owner").annotate(count=Count("pk"))
    return inside.filter(count__gte=_window(is_bulk=is_bulk)).values_list("owner", flat=True)
