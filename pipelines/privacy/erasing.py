"""An erasure: the rows of an account, in batches of RETENTION_BATCH, and its files before them.

Each batch is a transaction of its own, and what is gone is not looked for again: a worker that is
killed leaves less to do for the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import ProtectedError, Q, QuerySet
from django_celery_results.models import TaskResult

from pipelines.accounts.models import User
from pipelines.batches.models import BatchTurn
from pipelines.chat.models import Conversation
from pipelines.chat.services import conversation_delete
from pipelines.jobs.artifacts import files_delete
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.services import job_cancel
from pipelines.jobs.states import ACTIVE
from pipelines.knowledge.models import Chunk, Collection
from pipelines.knowledge.services import collection_delete
from pipelines.mail.models import Email
from pipelines.reports.models import Report
from pipelines.responses.models import Response
from pipelines.webhooks.models import Delivery


def erase(owner_id: UUID) -> Iterator[int]:
    """Delete whatever belongs to an account, and the account; yield how many rows went so far."""
    owner = User.objects.filter(pk=owner_id, is_active=False).first()
    if owner is None:
        return
    count = 0
    while True:
        for deleted in _rows(owner):
            count += deleted
            yield count
        # A request that was let in before the account was closed may have begun a job since.
        with suppress(ProtectedError):
            owner.delete()
            yield count + 1
            return


def _rows(owner: User) -> Iterator[int]:
    for job_id in _active(owner):
        job_cancel(job_id=job_id)
        yield 0
    for rows in (
        Chunk.objects.filter(document__collection__owner=owner),
        Delivery.objects.filter(endpoint__owner=owner),
        BatchTurn.objects.filter(batch__owner=owner),
        Email.objects.filter(owner=owner),
        Report.objects.filter(owner=owner),
        Response.objects.filter(owner=owner),
    ):
        yield from _batches(rows)
    for conversation in Conversation.objects.filter(owner=owner).iterator():
        conversation_delete(conversation=conversation)
        yield 1
    for collection in Collection.objects.filter(owner=owner).iterator():
        collection_delete(collection=collection)
        yield 1
    yield from _jobs(owner)
    yield from _batches(owner.outstandingtoken_set.all())
    yield from _traces(owner)


def _active(owner: User) -> Iterator[UUID]:
    """Yield the jobs under way, the newest first, until there are none: some may follow others."""
    active = Job.objects.filter(_own(owner), state__in=ACTIVE).order_by("-id")
    while newest := active.first():
        yield newest.pk


def _own(owner: User) -> Q:
    """Choose an account's jobs, and those of the house that work for it alone."""
    return Q(owner=owner) | Q(batch__owner=owner)


def _batches(rows: QuerySet[Any]) -> Iterator[int]:
    while chosen := list(rows.values_list("pk", flat=True)[: settings.RETENTION_BATCH]):
        yield rows.filter(pk__in=chosen).delete()[0]


def _jobs(owner: User) -> Iterator[int]:
    """Delete jobs with their files and Celery's records of them."""
    jobs = Job.objects.filter(_own(owner))
    while chosen := list(jobs.values_list("pk", flat=True)[: settings.RETENTION_BATCH]):
        for job_id in chosen:
            files_delete(job_id)
        with transaction.atomic():
            tasks = JobStep.objects.filter(job__in=chosen).exclude(task_id="")
            TaskResult.objects.filter(
                task_id__in=list(tasks.values_list("task_id", flat=True))
            ).delete()
            deleted = Job.objects.filter(pk__in=chosen).delete()[0]
        yield deleted


def _traces(owner: User) -> Iterator[int]:
    """Delete what names the account and does not refer to it: sessions, notes of the admin."""
    for session in Session.objects.iterator():
        if session.get_decoded().get(SESSION_KEY) == str(owner.pk):
            yield session.delete()[0]
    of_accounts = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(User))
    yield of_accounts.filter(object_id=str(owner.pk)).delete()[0]
