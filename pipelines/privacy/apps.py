"""The app's registration."""

from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    """Privacy: all of a person's data as a file, and none of it any more."""

    name = "pipelines.privacy"

    def ready(self) -> None:
        """Declare the pipelines."""
        from pipelines.privacy import pipeline  # noqa: F401
