"""Tables: collections, documents, their passages with vectors, and index snapshots."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from pipelines.core.models import Entity
from pipelines.jobs.models import Job


class Collection(Entity):
    """Documents that are searched together; without an owner it is the house's, open to all."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="collections"
    )
    name = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=Q(owner__isnull=False),
                name="collection_name_of_owner",
            ),
            models.UniqueConstraint(
                fields=["name"], condition=Q(owner__isnull=True), name="collection_name_of_house"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DocumentState(models.TextChoices):
    """Where a document stands."""

    PROCESSING = "processing", "Processing: its job has not ended"
    READY = "ready", "Ready: it can be found"
    FAILED = "failed", "Failed: its job says why"


class Document(Entity):
    """An uploaded text; the bytes as they came, and what was read out of them."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="documents")
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="document")
    state = models.CharField(max_length=16, choices=DocumentState, default=DocumentState.PROCESSING)
    name = models.CharField(max_length=255)
    title = models.CharField(max_length=255, blank=True)
    media_type = models.CharField(max_length=128)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField()
    text = models.TextField(blank=True)
    # The snapshot that holds its passages; empty while they are searched as the delta.
    indexed_version = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["collection", "-id"], name="document_by_collection")]

    def __str__(self) -> str:
        return self.title or self.name


class Chunk(models.Model):
    """A passage of a document; its integer id is its id in the FAISS index."""

    id = models.BigAutoField(primary_key=True)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    position = models.PositiveIntegerField()
    heading = models.CharField(max_length=500, blank=True)
    text = models.TextField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    # Little-endian float32, normalised to length 1; empty until embedded.
    vector = models.BinaryField(null=True)

    class Meta:
        ordering = ["document_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["document", "position"], name="chunk_position")
        ]

    def __str__(self) -> str:
        return f"{self.document_id}#{self.position}"


class Snapshot(models.Model):
    """The index of a collection, as a file that was built from the vectors in this database."""

    collection = models.OneToOneField(
        Collection, primary_key=True, on_delete=models.CASCADE, related_name="snapshot"
    )
    version = models.PositiveIntegerField()
    path = models.CharField(max_length=500)
    checksum = models.CharField(max_length=64)
    kind = models.CharField(max_length=16)
    count = models.PositiveIntegerField()
    dimensions = models.PositiveIntegerField()
    model = models.CharField(max_length=200)
    built_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.collection_id} v{self.version}"
