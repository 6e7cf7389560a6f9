"""The app's registration."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """Chat: conversations, their turns, and the replies."""

    name = "pipelines.chat"

    def ready(self) -> None:
        """Declare the pipelines."""
        from pipelines.chat import pipeline  # noqa: F401
