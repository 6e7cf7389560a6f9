"""The app's registration."""

from django.apps import AppConfig


class IdempotencyConfig(AppConfig):
    """The answers that are kept by their requests' keys."""

    name = "pipelines.idempotency"
    verbose_name = "Idempotency"
