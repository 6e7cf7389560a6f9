"""Rows for tests, each as small as it can be."""

# factory_boy says that it is typed; most of its names are not.
# mypy: disable-error-code="attr-defined, no-untyped-call"

from __future__ import annotations

import hashlib
from email.utils import make_msgid
from typing import Any

import factory
from django.contrib.auth.hashers import make_password
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from factory.django import DjangoModelFactory

from pipelines.accounts.models import User
from pipelines.chat.models import Conversation, Message, Role
from pipelines.jobs.models import Artifact, Job, JobEvent, JobStep
from pipelines.jobs.states import JobState, StepState
from pipelines.knowledge.models import Collection, Document, DocumentState
from pipelines.mail.models import Email
from pipelines.reports.models import Report

PASSWORD = "correct horse battery staple"


class UserFactory(DjangoModelFactory[User]):
    """An account whose password is `PASSWORD`, with a verified address."""

    class Meta:
        model = User

    username = factory.Sequence(lambda number: f"user{number}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.org")
    email_verified_at = factory.LazyFunction(timezone.now)
    password = factory.LazyFunction(lambda: make_password(PASSWORD))


class StaffFactory(UserFactory):
    """An account that may do everything."""

    is_staff = True
    is_superuser = True


class JobFactory(DjangoModelFactory[Job]):
    """A search that waits for its only step."""

    class Meta:
        model = Job

    kind = "knowledge.search"
    owner = factory.SubFactory(UserFactory)


class StepFactory(DjangoModelFactory[JobStep]):
    """The ready first step of a search."""

    class Meta:
        model = JobStep

    job = factory.SubFactory(JobFactory)
    name = "knowledge.search"
    queue = "embed"
    position = 0
    ready_at = factory.LazyAttribute(lambda step: step.job.created_at)


def failed_job(**fields: Any) -> Job:
    """Make a job whose only step failed for good."""
    error = {"error_code": "provider_refused", "error_detail": "The key was refused."}
    now = timezone.now()
    job = JobFactory.create(state=JobState.FAILED, finished_at=now, **error, **fields)
    StepFactory.create(
        job=job, state=StepState.FAILED, attempt=1, ready_at=None, task_id=str(job.pk), **error
    )
    JobEvent.objects.create(job=job, type="job.failed", detail="The key was refused.")
    return job


class ArtifactFactory(DjangoModelFactory[Artifact]):
    """A small PDF by name, whose bytes lie in the storage."""

    class Meta:
        model = Artifact

    class Params:
        content = b"%PDF-1.7 of a sort"

    job = factory.SubFactory(JobFactory)
    name = "report.pdf"
    content_type = "application/pdf"
    size = factory.LazyAttribute(lambda artifact: len(artifact.content))
    sha256 = factory.LazyAttribute(lambda artifact: hashlib.sha256(artifact.content).hexdigest())
    key = factory.LazyAttribute(
        lambda artifact: default_storage.save(
            f"{artifact.job.pk}/file", ContentFile(artifact.content)
        )
    )


class ConversationFactory(DjangoModelFactory[Conversation]):
    """A conversation without messages."""

    class Meta:
        model = Conversation

    owner = factory.SubFactory(UserFactory)
    title = "About turnpikes"


class MessageFactory(DjangoModelFactory[Message]):
    """Something that was said; the position is the next one of all tests."""

    class Meta:
        model = Message

    conversation = factory.SubFactory(ConversationFactory)
    role = Role.USER
    content = "What is a turnpike?"
    position = factory.Sequence(lambda number: number)


class CollectionFactory(DjangoModelFactory[Collection]):
    """An empty collection."""

    class Meta:
        model = Collection

    owner = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda number: f"Collection {number}")


class DocumentFactory(DjangoModelFactory[Document]):
    """A document that searches can find."""

    class Meta:
        model = Document

    collection = factory.SubFactory(CollectionFactory)
    state = DocumentState.READY
    name = "note.txt"
    media_type = "text/plain"
    content = b"A turnpike is a toll road."
    size = factory.LazyAttribute(lambda document: len(document.content))
    sha256 = factory.LazyAttribute(lambda document: hashlib.sha256(document.content).hexdigest())


class EmailFactory(DjangoModelFactory[Email]):
    """An e-mail that waits to be sent."""

    class Meta:
        model = Email

    owner = factory.SubFactory(UserFactory)
    message_id = factory.LazyFunction(lambda: make_msgid(domain="example.org"))
    to = factory.LazyAttribute(lambda email: email.owner.email)
    subject = "Hello"
    text = "A <b>text</b>."


class ReportFactory(DjangoModelFactory[Report]):
    """A report whose job waits."""

    class Meta:
        model = Report

    owner = factory.SubFactory(UserFactory)
    job = factory.SubFactory(JobFactory, owner=factory.SelfAttribute("..owner"))
    title = "Roadmap"
    content = "# Roadmap"
