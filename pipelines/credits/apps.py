"""The app's registration."""

from django.apps import AppConfig


class CreditsConfig(AppConfig):
    """Credits: what each account may spend, and the ledger that says why."""

    name = "pipelines.credits"
