"""Tables: API keys."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from pipelines.core.models import Owned


class Scope(models.TextChoices):
    """What a key may do in its owner's place."""

    READ = "read", "Read: look at what is there"
    WRITE = "write", "Write: create, change, cancel and delete"
    OPENAI = "openai", "OpenAI: all that lies under /v1"


class ApiKey(Owned):
    """A program's credential; what it is made of is shown once, and only its digest kept."""

    name = models.CharField(max_length=100)
    # Its first characters, by which a person tells one from another.
    prefix = models.CharField(max_length=16)
    # SHA-256, in hexadecimal; a key has 256 random bits, which nobody guesses from it.
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    # Whether what is asked under /v1 is answered from all the knowledge that its owner may see.
    has_retrieval = models.BooleanField(default=False, db_default=False)
    # Whether it was given out at a sign-in, by a contract that knows tokens of this kind.
    is_sign_in = models.BooleanField(default=False, db_default=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["owner", "-id"], name="api_key_of_owner")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_good(self, now: datetime) -> bool:
        """Whether it may be used."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)
