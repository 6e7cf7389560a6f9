"""The Celery app that the front door, the relay, the workers and beat share."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.dev")

app = Celery("turnpike")
app.config_from_object("django.conf:settings", namespace="CELERY")
