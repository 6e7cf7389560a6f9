"""The app's registration."""

from django.apps import AppConfig


class ResponsesConfig(AppConfig):
    """Responses: what was asked by OpenAI's protocol, and what was answered."""

    name = "pipelines.responses"

    def ready(self) -> None:
        """Declare the pipeline, and hear of every job that ends."""
        from pipelines.jobs.endings import on_job_end
        from pipelines.responses import pipeline  # noqa: F401
        from pipelines.responses.announcing import response_ended

        on_job_end(response_ended)
