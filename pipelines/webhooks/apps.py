"""The app's registration."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Webhooks: endpoints, what is delivered to them, and the log of all attempts."""

    name = "pipelines.webhooks"

    def ready(self) -> None:
        """Declare the pipeline, and hear of every job that ends."""
        from pipelines.jobs.endings import on_job_end
        from pipelines.webhooks import pipeline  # noqa: F401
        from pipelines.webhooks.announcing import job_announce

        on_job_end(job_announce)
