"""The app's registration."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """What every noun shares."""

    name = "pipelines.core"
