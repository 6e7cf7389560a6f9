"""Abstract models: time-ordered ids, and rows that belong to somebody."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from uuid6 import uuid7


def new_id() -> uuid.UUID:
    """Make a UUIDv7 (RFC 9562): ids sort by the time of their making, which keeps indexes warm."""
    return uuid.UUID(int=uuid7().int)


class Entity(models.Model):
    """A row with a time-ordered id."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True


class Owned(Entity):
    """A row that belongs to one account and goes with it."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="%(class)ss"
    )

    class Meta:
        abstract = True
