"""Tables: conversations and their messages."""

from __future__ import annotations

import re

from django.db import models

from pipelines.core.models import Entity, Owned
from pipelines.jobs.models import Job

# How a reply's text names a passage, which is what a model was told to write: [1].
CITATION = re.compile(r"\[(\d{1,4})\]")


class Conversation(Owned):
    """Turns that follow one another; its row guards their order."""

    title = models.CharField(max_length=255, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    # The position that the next message takes.
    next_position = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-updated_at", "-id"], name="conversation_by_owner"),
            models.Index(fields=["updated_at"], name="conversation_by_age"),
        ]

    def __str__(self) -> str:
        return self.title or str(self.pk)


class Role(models.TextChoices):
    """Who speaks."""

    USER = "user", "User"
    ASSISTANT = "assistant", "Assistant"
    SYSTEM = "system", "System"


class Message(Entity):
    """One message; a turn takes two positions, the second for its reply."""

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages"
    )
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="messages")
    role = models.CharField(max_length=10, choices=Role)
    content = models.TextField()
    position = models.PositiveIntegerField()
    # Of a reply: the passages it used, who wrote it, and what it cost.
    citations = models.JSONField(default=list, blank=True)
    provider = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=128, blank=True)
    input_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "position"], name="message_position")
        ]

    def __str__(self) -> str:
        return f"{self.role} #{self.position}"
