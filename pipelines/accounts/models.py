"""The user: a person with an account."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from pipelines.core.models import new_id


class User(AbstractUser):
    """A person who signs in by username or by e-mail address."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    bio = models.TextField(max_length=500, blank=True)
    # What the person chose, such as {"provider": "mistral", "model": "…"}.
    preferences = models.JSONField(default=dict, blank=True)
    company_name = models.CharField(max_length=200, blank=True)
    company_size = models.CharField(max_length=50, blank=True)
    industry = models.CharField(max_length=100, blank=True)
    job_title = models.CharField(max_length=100, blank=True)
    email_verified_at = models.DateTimeField(null=True, blank=True)
    # Sign-ins that were ended, each with the moment when the last of its JWT has expired: such
    # tokens are good by themselves, and the account is read with each of them anyway.
    ended_sign_ins = models.JSONField(default=dict, db_default={}, editable=False)
    date_modified = models.DateTimeField(auto_now=True)

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(
                Lower("email"), condition=~Q(email=""), name="user_email_unique"
            ),
        ]
        indexes = [
            models.Index(
                fields=["date_joined"],
                condition=Q(email_verified_at__isnull=True),
                name="user_unverified",
            ),
        ]

    @property
    def email_verified(self) -> bool:
        """Whether the person has shown that the address is theirs."""
        return self.email_verified_at is not None
