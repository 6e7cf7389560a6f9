"""What is to run on this machine, as the settings and the machine have it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from deploy.local import ports
from deploy.local.errors import RunnerError


@dataclass(frozen=True)
class Plan:
    """Everything that the runner needs to know.

    Attributes:
        root: The repository.
        home: Where the data are.
        port: The front door's.
        sandbox_port: The sandbox model's; None when real providers are configured.
        redis_url: The address of Redis.
        redis_socket: The private Redis's socket; None when REDIS_URL names another.
        database: What the database is, in words and without a password.
        is_embedded: Whether the database is the home's own.
        provider: The default provider's name.
        mail_transport: How e-mails leave.
        grace: Seconds that a worker has to finish what it has in hand.
        show_all: Whether every line of every process is shown.
        environment: The variables of every process.
    """

    root: Path
    home: Path
    port: int
    sandbox_port: int | None
    redis_url: str
    redis_socket: Path | None
    database: str
    is_embedded: bool
    provider: str
    mail_transport: str
    grace: float
    show_all: bool
    environment: Mapping[str, str]

    @property
    def address(self) -> str:
        """Where the product answers."""
        return f"http://{ports.HOST}:{self.port}"


def read_plan() -> Plan:
    """Read the settings.

    Raises:
        RunnerError: A variable cannot be used, or the home cannot be written to.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.dev")
    # It is the product that runs here: no pages of tracebacks, no log of queries that grows.
    os.environ.setdefault("DEBUG", "false")
    from django.conf import settings

    from project.settings import environment as env

    try:
        return Plan(
            root=settings.BASE_DIR,
            home=settings.HOME,
            port=settings.PORT,
            sandbox_port=settings.SANDBOX_PORT if _uses_sandbox() else None,
            redis_url=settings.REDIS_URL,
            redis_socket=settings.REDIS_SOCKET if _is_private() else None,
            database=_database(),
            is_embedded=settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"),
            provider=settings.DEFAULT_PROVIDER,
            mail_transport=settings.MAIL_TRANSPORT,
            grace=settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT,
            show_all=env.flag("LOG", default=False),
            environment=_environment(),
        )
    except ImproperlyConfigured as error:
        raise RunnerError(str(error)) from error
    except OSError as error:  # the settings keep a signing key in the home
        raise RunnerError(f"TURNPIKE_HOME cannot be written to: {error}") from error


def _uses_sandbox() -> bool:
    from django.conf import settings

    own = f"http://{ports.HOST}:{settings.SANDBOX_PORT}/v1"
    return any(provider.base_url == own for provider in settings.PROVIDERS.values())


def _is_private() -> bool:
    from django.conf import settings

    return str(settings.REDIS_URL).startswith(f"unix://{settings.REDIS_SOCKET}?")


def _database() -> str:
    from django.conf import settings

    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        return f"SQLite, {database['NAME']}"
    where = f"{database.get('HOST') or 'localhost'}:{database.get('PORT') or 5432}"
    return f"PostgreSQL, {database['NAME']} at {where}"


def _environment() -> dict[str, str]:
    """What the processes inherit: all that is set here, so that keys and URLs pass through."""
    from django.conf import settings

    return {
        **os.environ,
        # The processes run in the repository, and the home may be named relative to elsewhere.
        "TURNPIKE_HOME": str(settings.HOME),
        "PORT": str(settings.PORT),
        "SANDBOX_PORT": str(settings.SANDBOX_PORT),
        "PYTHONUNBUFFERED": "1",
    }
