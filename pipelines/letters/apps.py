"""The app's registration."""

from django.apps import AppConfig


class LettersConfig(AppConfig):
    """Letters: what the house writes to people about their accounts."""

    name = "pipelines.letters"

    def ready(self) -> None:
        """Declare the pipeline."""
        from pipelines.letters import pipeline  # noqa: F401
