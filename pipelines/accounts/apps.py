"""The app's registration."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Accounts: who somebody is, and what they prefer."""

    name = "pipelines.accounts"
