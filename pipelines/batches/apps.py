"""The app's registration."""

from django.apps import AppConfig


class BatchesConfig(AppConfig):
    """Batches: what they hold, how far they are, and how they end."""

    name = "pipelines.batches"

    def ready(self) -> None:
        """Declare the pipeline, and hear of every job that ends."""
        from pipelines.batches import pipeline  # noqa: F401
        from pipelines.batches.progress import turn_ended
        from pipelines.jobs.endings import on_job_end

        on_job_end(turn_ended)
