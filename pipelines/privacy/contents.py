"""What of every table is a person's: what an export holds of it, or why it holds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import BinaryField, Model, QuerySet

from pipelines.accounts.models import User
from pipelines.api_keys.models import ApiKey
from pipelines.batches.models import Batch, BatchTurn
from pipelines.chat.models import Conversation, Message
from pipelines.credits.models import Balance, Entry
from pipelines.jobs.models import Artifact, Job
from pipelines.knowledge.models import Collection, Document
from pipelines.mail.models import Email
from pipelines.reports.models import Report
from pipelines.responses.models import Response
from pipelines.webhooks.models import Delivery, Endpoint


@dataclass(frozen=True)
class Table:
    """One table of an export: a JSON file of that name, with a list of rows.

    Attributes:
        name: The file's name, without its ending.
        model: The table.
        owner: The path of lookups from a row to its owner.
        without: Fields that are left out: secrets, and what only the house has a use for.
    """

    name: str
    model: type[Model]
    owner: str
    without: frozenset[str] = frozenset()

    def rows(self, owner: User) -> Iterator[dict[str, Any]]:
        """Yield an owner's rows, in the order in which they were made, a few at a time."""
        fields = [
            field.attname
            for field in self.model._meta.concrete_fields  # noqa: SLF001 - Django's name for it
            if field.name not in self.without and not isinstance(field, BinaryField)
        ]
        yield from self.of(owner).order_by("pk").values(*fields).iterator(chunk_size=50)

    def of(self, owner: User) -> QuerySet[Any]:
        """Choose an owner's rows."""
        return self.model._default_manager.filter(**{self.owner: owner.pk})  # noqa: SLF001 - likewise


EXPORTED = (
    Table("account", User, "pk", frozenset({"password", "ended_sign_ins"})),
    Table("conversations", Conversation, "owner", frozenset({"next_position"})),
    Table("messages", Message, "conversation__owner"),
    Table("responses", Response, "owner"),
    Table("batches", Batch, "owner"),
    Table("batch_turns", BatchTurn, "batch__owner"),
    Table("collections", Collection, "owner"),
    # The uploads lie beside it, as they came.
    Table("documents", Document, "collection__owner", frozenset({"indexed_version", "text"})),
    Table("reports", Report, "owner"),
    Table("emails", Email, "owner", frozenset({"text"})),
    Table("balance", Balance, "owner"),
    Table("ledger", Entry, "owner"),
    Table("jobs", Job, "owner", frozenset({"ordering_key", "ordering_number", "epoch"})),
    Table("files", Artifact, "job__owner", frozenset({"key"})),
    Table("api_keys", ApiKey, "owner", frozenset({"digest"})),
    Table("webhook_endpoints", Endpoint, "owner", frozenset({"secret", "old_secret"})),
    Table("webhook_deliveries", Delivery, "endpoint__owner"),
)
# Tables with rows of a person's that an export leaves out, by label, and why.
LEFT_OUT = {
    "jobs.JobStep": "how the work was done; its outcome stands in jobs",
    "jobs.JobEvent": "how the work was done; its outcome stands in jobs",
    "webhooks.Attempt": "how a delivery was tried; its outcome stands in webhook_deliveries",
    "knowledge.Chunk": "passages that were cut out of documents, which are there whole",
    "knowledge.Snapshot": "an index of passages",
    "embeddings.Embedding": "vectors that were asked for, and are kept for a day",
    "idempotency.KeptAnswer": "answers that were given, kept for a day to be given again",
    "token_blacklist.OutstandingToken": "credentials",
    "token_blacklist.BlacklistedToken": "credentials",
    "admin.LogEntry": "what staff did in the admin",
}
