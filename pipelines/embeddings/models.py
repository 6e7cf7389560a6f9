"""Tables: requests for embeddings."""

from __future__ import annotations

from django.db import models

from pipelines.core.models import Owned
from pipelines.jobs.models import Job


class Embedding(Owned):
    """Some texts, and their vectors once a worker has made them."""

    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="embedding")
    # Empty once the vectors are there: nobody asks for the texts again.
    texts = models.JSONField(default=list)
    # float32, little-endian, one text after another.
    vectors = models.BinaryField(null=True)
    dimensions = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="embedding_by_age")]

    def __str__(self) -> str:
        return str(self.pk)
