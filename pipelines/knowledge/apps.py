"""The app's registration."""

from django.apps import AppConfig


class KnowledgeConfig(AppConfig):
    """Knowledge: collections of documents, cut into passages that can be searched."""

    name = "pipelines.knowledge"

    def ready(self) -> None:
        """Declare the pipelines."""
        from pipelines.knowledge import pipeline  # noqa: F401
