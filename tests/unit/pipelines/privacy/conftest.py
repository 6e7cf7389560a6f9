"""Two people with one of everything, each with a word of their own in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from pipelines.accounts.models import User
from pipelines.api_keys.models import Scope
from pipelines.api_keys.services import api_key_create
from pipelines.batches.services import batch_accept
from pipelines.chat.models import Message, Role
from pipelines.chat.services import turn_accept
from pipelines.credits.services import credits_grant
from pipelines.embeddings.services import embedding_accept
from pipelines.jobs.models import Job
from pipelines.knowledge.models import Chunk
from pipelines.responses.services import Asked, Said, response_accept
from pipelines.webhooks.services import endpoint_create, endpoint_ping
from tests.factories import (
    PASSWORD,
    ArtifactFactory,
    DocumentFactory,
    EmailFactory,
    ReportFactory,
    UserFactory,
)

Make = Callable[[str], User]


def settled(owner: User) -> User:
    """Somebody whose jobs have ended."""
    Job.objects.filter(owner=owner).update(state="completed", waits_for="")
    return owner


@pytest.fixture
def make(db: None) -> Make:
    """Make somebody who has written a word everywhere."""

    def made(word: str) -> User:
        owner = UserFactory.create(first_name=word)
        turn = turn_accept(owner=owner, message=f"Who pays {word}?", metadata={"note": word})
        Message.objects.create(
            conversation=turn.conversation, role=Role.ASSISTANT, content=word, position=1
        )
        document = DocumentFactory.create(
            collection__owner=owner, name=f"../{word}.txt", content=word.encode(), text=word
        )
        Chunk.objects.create(document=document, position=0, text=word, start=0, end=1)
        report = ReportFactory.create(owner=owner, title=word)
        assert report.job is not None
        key = default_storage.save(f"{report.job.pk}/file", ContentFile(word.encode()))
        ArtifactFactory.create(job=report.job, name="report.txt", key=key, size=len(word))
        EmailFactory.create(owner=owner, subject=word)
        credits_grant(owner=owner, amount=7, note=word)
        api_key_create(owner=owner, name=word, scopes=[Scope.READ])
        endpoint_ping(
            endpoint=endpoint_create(
                owner=owner, url=f"https://example.com/{word}", events=["job.failed"]
            )
        )
        batch_accept(owner=owner, turns=[{"message": word}])
        response_accept(owner=owner, asked=Asked(said=(Said(Role.USER, word),), model="m"))
        embedding_accept(owner=owner, texts=[word])
        assert owner.check_password(PASSWORD)
        return owner

    return made
