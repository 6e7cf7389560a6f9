"""E-mails: what was sent to the caller, and how it stands."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from api.auth import caller
from api.schema import operation
from pipelines.mail.models import Email, EmailState
from pipelines.mail.selectors import emails_of


class EmailShape(serializers.Serializer[Any]):
    """An e-mail without its text, which may hold a link for the mailbox's owner alone."""

    id = serializers.UUIDField()
    job_id = serializers.UUIDField(allow_null=True)
    state = serializers.ChoiceField(choices=EmailState.choices)
    message_id = serializers.CharField()
    to = serializers.EmailField()
    subject = serializers.CharField()
    attachments = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)


class Emails(ListAPIView[Email]):
    """E-mails."""

    serializer_class = EmailShape

    def get_queryset(self) -> QuerySet[Email]:
        """Choose the caller's."""
        return emails_of(caller(self.request))

    @operation("emails_list", {200: EmailShape(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the e-mails to the caller, newest first."""
        return super().get(request, *args, **kwargs)
