"""Tables: e-mails, written down before they are sent."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from pipelines.core.models import Entity
from pipelines.jobs.models import Job


class EmailState(models.TextChoices):
    """Where an e-mail stands."""

    QUEUED = "queued", "Queued: nothing has been handed to the transport"
    SENDING = "sending", "Sending: the transport may or may not have accepted it"
    SENT = "sent", "Sent: the transport accepted it"
    UNCERTAIN = "uncertain", "Uncertain: nobody knows; staff decide before any second sending"
    FAILED = "failed", "Failed: it was refused or given up, and not sent"


class Email(Entity):
    """One logical e-mail; every sending of it bears the same Message-ID."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="emails"
    )
    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="email")
    state = models.CharField(max_length=16, choices=EmailState, default=EmailState.QUEUED)
    message_id = models.CharField(max_length=255, unique=True)
    to = models.EmailField()
    subject = models.CharField(max_length=255)
    text = models.TextField()
    # Names of the job's artifacts that go with it.
    attachments = models.JSONField(default=list, blank=True)
    transport = models.CharField(max_length=32, blank=True)
    provider_id = models.CharField(max_length=255, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["owner", "-id"], name="email_by_owner")]

    def __str__(self) -> str:
        return self.subject
