"""The app's registration."""

from django.apps import AppConfig


class ApiKeysConfig(AppConfig):
    """The keys that programs sign in with."""

    name = "pipelines.api_keys"
    verbose_name = "API keys"
