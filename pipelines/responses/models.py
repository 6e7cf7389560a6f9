"""Tables: responses."""

from __future__ import annotations

from django.db import models

from pipelines.chat.models import Conversation
from pipelines.core.models import Owned
from pipelines.jobs.models import Job


class Response(Owned):
    """One request of OpenAI's protocol, and its answer.

    Its context is its conversation up to it, or the responses that it follows, or what it brings
    along itself.
    """

    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="response")
    conversation = models.ForeignKey(
        Conversation, null=True, on_delete=models.CASCADE, related_name="responses"
    )
    # In its conversation, where its first item stands.
    position = models.PositiveIntegerField(null=True)
    # The response that it follows; the first of them all, and how many stand between.
    previous = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    root = models.UUIDField()
    depth = models.PositiveIntegerField(default=0)
    # As it was asked for.
    model = models.CharField(max_length=128)
    instructions = models.TextField(blank=True)
    # What was said: {"role", "text"} each.
    items = models.JSONField(default=list)
    # What else was asked for, under OpenAI's names: temperature, top_p, max_output_tokens, tools.
    options = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict, blank=True)
    is_background = models.BooleanField(default=False)
    # Whether it can be asked for later; what is not stored is forgotten once it was answered.
    is_stored = models.BooleanField(default=True)
    # What was answered: the text, by whom, from what, and what it took.
    reply = models.TextField(blank=True)
    answer = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-id"], name="response_by_owner"),
            models.Index(fields=["root", "depth"], name="response_by_root"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """The id by which OpenAI's clients know it."""
        return f"resp_{self.pk.hex}"
