"""The app's registration."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs, their steps, leases and the relay."""

    name = "pipelines.jobs"
