"""What is counted every few hours."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count
from django.utils import timezone

from pipelines.accounts.models import User
from pipelines.chat.models import Conversation, Message
from pipelines.jobs.models import Job
from pipelines.knowledge.models import Document


def count() -> dict[str, object]:
    """Count users, conversations, messages, documents and jobs, in all and of the last day."""
    day = timezone.now() - timedelta(days=1)
    return {
        "users": User.objects.count(),
        "users_verified": User.objects.filter(email_verified_at__isnull=False).count(),
        "users_active_last_day": User.objects.filter(conversations__messages__created_at__gte=day)
        .distinct()
        .count(),
        "conversations": Conversation.objects.count(),
        "messages": Message.objects.count(),
        "messages_last_day": Message.objects.filter(created_at__gte=day).count(),
        "documents": Document.objects.count(),
        "jobs_by_state": dict(
            Job.objects.values_list("state").annotate(count=Count("pk")).order_by()
        ),
    }
