"""What is deleted when it is old, in bounded batches, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.utils import timezone
from django_celery_results.models import TaskResult

from pipelines.accounts.models import User
from pipelines.batches.models import Batch
from pipelines.chat.models import Conversation, Message
from pipelines.core.steps import Step
from pipelines.embeddings.models import Embedding
from pipelines.idempotency.models import KeptAnswer
from pipelines.idempotency.selectors import kept_since
from pipelines.jobs.artifacts import files_sweep
from pipelines.jobs.models import Job, Node
from pipelines.jobs.states import ACTIVE, FINAL
from pipelines.privacy.pipeline import EXPORT
from pipelines.responses.models import Response
from pipelines.scheduler import pipeline
from pipelines.webhooks.models import Delivery, DeliveryState

# A file without a row may be one that a running step has just stored; no step runs this long.
_FILE_AGE = timedelta(hours=6)


def _before(days: int) -> datetime | None:
    """The moment this many days ago; None when 0 says that nothing is ever too old."""
    return timezone.now() - timedelta(days=days) if days else None


def old_conversations() -> Iterator[QuerySet[Model]]:
    """Conversations without a turn for CONVERSATION_DAYS, and responses outside of any.

    Those with something under way stay.
    """
    if before := _before(settings.CONVERSATION_DAYS):
        busy = Job.objects.filter(messages__conversation=OuterRef("pk"), state__in=ACTIVE)
        yield Conversation.objects.filter(~Exists(busy), updated_at__lt=before)
        alone = Response.objects.filter(conversation=None, created_at__lt=before)
        yield alone.exclude(job__state__in=ACTIVE)


def orphaned_messages() -> Iterator[QuerySet[Message]]:
    """Messages whose conversation is gone, as after a partial restore or hand-written SQL."""
    yield Message.objects.filter(
        ~Exists(Conversation.objects.filter(pk=OuterRef("conversation_id")))
    )


def unverified_users() -> Iterator[QuerySet[User]]:
    """Accounts that never showed their address to be theirs, UNVERIFIED_USER_DAYS after joining."""
    if before := _before(settings.UNVERIFIED_USER_DAYS):
        busy = Job.objects.filter(owner=OuterRef("pk"), state__in=ACTIVE)
        yield User.objects.filter(
            ~Exists(busy),
            email_verified_at__isnull=True,
            date_joined__lt=before,
            is_staff=False,
            is_superuser=False,
        ).exclude(email="")


def expired_jobs() -> Iterator[QuerySet[Model]]:
    """What ended JOB_DAYS ago: jobs, Celery's results, deliveries, batches; and what lasts hours.

    The latter are the answers kept for IDEMPOTENCY_HOURS, and nodes long silent, vectors, and
    responses that nobody wanted kept, after a day, and exports after EXPORT_DAYS.
    """
    yield KeptAnswer.objects.filter(created_at__lte=kept_since())
    yesterday = timezone.now() - timedelta(days=1)
    yield Node.objects.filter(seen_at__lt=yesterday)
    yield Embedding.objects.filter(created_at__lt=yesterday)
    # Before the jobs, by which they are found.
    yield Response.objects.filter(is_stored=False, job__finished_at__lt=yesterday)
    if before := _before(settings.EXPORT_DAYS):
        exports = Job.objects.filter(kind=EXPORT.kind, state__in=FINAL)
        yield exports.filter(finished_at__lt=before)
    if before := _before(settings.JOB_DAYS):
        yield Job.objects.filter(state__in=FINAL, finished_at__lt=before)
        yield TaskResult.objects.filter(date_done__lt=before)
        yield Delivery.objects.filter(created_at__lt=before).exclude(state=DeliveryState.PENDING)
        yield Batch.objects.filter(finished_at__lt=before)


RULES = {
    pipeline.DELETE_CONVERSATIONS: old_conversations,
    pipeline.DELETE_MESSAGES: orphaned_messages,
    pipeline.DELETE_USERS: unverified_users,
    pipeline.DELETE_JOBS: expired_jobs,
}


def delete_old(step: Step) -> Iterator[dict[str, int]]:
    """Delete what a step's rule names; yield the counts by table, so far, after each batch."""
    counts: dict[str, int] = {}
    yield from _delete_rows(step, counts)
    if step is pipeline.DELETE_JOBS:
        yield from _delete_files(counts)
    yield counts


def _delete_files(counts: dict[str, int]) -> Iterator[dict[str, int]]:
    for number in filter(None, files_sweep(older_than=_FILE_AGE)):
        counts["files"] = counts.get("files", 0) + number
        yield counts


def _delete_rows(step: Step, counts: dict[str, int]) -> Iterator[dict[str, int]]:
    for rows in RULES[step]():
        while deleted := _delete_batch(rows):
            for table, count in deleted.items():
                counts[table] = counts.get(table, 0) + count
            yield counts


@transaction.atomic
def _delete_batch(rows: QuerySet[Any]) -> dict[str, int]:
    """Lock some rows, and delete those of which their condition still holds under the lock."""
    locked = rows.select_for_update(of=("self",), skip_locked=True)
    batch = list(locked.values_list("pk", flat=True)[: settings.RETENTION_BATCH])
    return rows.filter(pk__in=batch).delete()[1]
