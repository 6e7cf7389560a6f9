"""The app's registration."""

from django.apps import AppConfig


class EmbeddingsConfig(AppConfig):
    """Embeddings: texts that somebody wants as vectors."""

    name = "pipelines.embeddings"

    def ready(self) -> None:
        """Declare the pipeline."""
        from pipelines.embeddings import pipeline  # noqa: F401
