"""Tables: kept answers."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from pipelines.core.models import Entity


class KeptAnswer(Entity):
    """The first answer to a creating request, by the key that its sender gave it.

    The row is written in the transaction of what the request creates. Its uniqueness makes an
    equal request wait until that transaction ends, and then find the answer, or nothing.
    """

    # Empty when nobody was signed in: then the request's fingerprint is a part of its key, so
    # that strangers who choose the same key know nothing of each other.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="kept_answers"
    )
    key = models.CharField(max_length=255)
    # HMAC-SHA256 of method, path and body, in hexadecimal.
    fingerprint = models.CharField(max_length=64)
    # 0 until the answer is known, which nobody but the writing transaction ever sees.
    status = models.PositiveSmallIntegerField(default=0)
    headers = models.JSONField(default=dict)
    body = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "key"],
                condition=Q(owner__isnull=False),
                name="kept_answer_of_owner",
            ),
            models.UniqueConstraint(
                fields=["key", "fingerprint"],
                condition=Q(owner__isnull=True),
                name="kept_answer_of_nobody",
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="kept_answer_by_age")]

    def __str__(self) -> str:
        return self.key
