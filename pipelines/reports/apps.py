"""The app's registration."""

from django.apps import AppConfig


class ReportsConfig(AppConfig):
    """Reports: Markdown that becomes a PDF, kept for its owner."""

    name = "pipelines.reports"

    def ready(self) -> None:
        """Declare the pipelines."""
        from pipelines.reports import pipeline  # noqa: F401
