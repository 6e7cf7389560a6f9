"""The app's registration."""

from django.apps import AppConfig


class CelerybeatConfig(AppConfig):
    """The schedule and its commands."""

    name = "celerybeat"
