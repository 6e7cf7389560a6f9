"""The app's registration."""

from django.apps import AppConfig


class SchedulerConfig(AppConfig):
    """The scheduler: what the house does by the clock, and what it counted."""

    name = "pipelines.scheduler"

    def ready(self) -> None:
        """Declare the pipelines."""
        from pipelines.scheduler import pipeline  # noqa: F401
