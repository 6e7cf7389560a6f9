"""The app's registration."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The front door."""

    name = "api"

    def ready(self) -> None:
        """Register the checks."""
        from api import checks  # noqa: F401 - it registers what it holds
