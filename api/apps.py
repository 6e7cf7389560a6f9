"""The app's registration."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The front door."""

    name = "api"
