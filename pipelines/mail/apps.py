"""The app's registration."""

from django.apps import AppConfig


class MailConfig(AppConfig):
    """Mail: e-mails written down before they are sent, and sent once."""

    name = "pipelines.mail"

    def ready(self) -> None:
        """Declare the pipelines."""
        from pipelines.mail import pipeline  # noqa: F401
