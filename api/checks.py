"""What is wrong with the settings of a front door that others can reach, in plain words.

`manage.py check` shows these, and each front door logs them when it starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register, run_checks  # noqa: A004 - Django's name
from django.http.request import validate_host

log = structlog.get_logger(__name__)

_KEY_CHARACTERS = 50
_HOME = {"localhost", "127.0.0.1", "::1"}


@register(Tags.security)
def check_front_door(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 - Django calls it so
    """Collect what is wrong."""
    return [*_proxy(), *_origins(), *_keys()]


def log_checks() -> None:
    """Log what is wrong, once, when a front door starts."""
    for message in run_checks(tags=[Tags.security]):
        if str(message.id).startswith("turnpike."):
            log.warning("api.check", id=message.id, problem=message.msg, hint=message.hint)


def _proxy() -> Iterator[CheckMessage]:
    url = urlsplit(settings.PUBLIC_URL)
    is_https, host = url.scheme == "https", url.hostname or ""
    if is_https and settings.SECURE_PROXY_SSL_HEADER is None:
        yield Warning(
            "PUBLIC_URL is https, but nothing says which requests came by it.",
            hint="Set TRUSTED_PROXIES to the number of proxies in front, which must set "
            "X-Forwarded-Proto and X-Forwarded-For themselves.",
            id="turnpike.W001",
        )
        if f"https://{url.netloc}" not in settings.CSRF_TRUSTED_ORIGINS:
            yield Warning(
                "Forms sent from PUBLIC_URL will be refused: its origin is not trusted.",
                hint=f"Set TRUSTED_PROXIES, or CSRF_TRUSTED_ORIGINS=https://{url.netloc}.",
                id="turnpike.W003",
            )
    if not settings.DEBUG and not validate_host(host, settings.ALLOWED_HOSTS):
        yield Warning(
            f"Requests to PUBLIC_URL will be refused: {host} is not in ALLOWED_HOSTS.",
            hint=f"Add {host} to ALLOWED_HOSTS.",
            id="turnpike.W002",
        )


def _origins() -> Iterator[CheckMessage]:
    is_anybody = settings.CORS_ALLOW_ALL_ORIGINS
    if is_anybody and settings.CORS_ALLOW_CREDENTIALS:
        yield Error(
            "Every page on the web may use the sessions of those who look at it: "
            "CORS_ALLOW_CREDENTIALS is on, and CORS_ALLOWED_ORIGINS is *.",
            hint="Name the origins, or switch the credentials off.",
            id="turnpike.E004",
        )
    plain = [origin for origin in settings.CORS_ALLOWED_ORIGINS if _is_plain(origin)]
    if plain and not settings.DEBUG:
        yield Warning(
            f"Whoever is on the line can speak as these origins: {', '.join(plain)}.",
            hint="Name them with https in CORS_ALLOWED_ORIGINS.",
            id="turnpike.W005",
        )


def _is_plain(origin: str) -> bool:
    url = urlsplit(origin)
    return url.scheme != "https" and url.hostname not in _HOME


def _keys() -> Iterator[CheckMessage]:
    if not settings.DEBUG and len(settings.SECRET_KEY) < _KEY_CHARACTERS:
        yield Warning(
            f"SECRET_KEY has fewer than {_KEY_CHARACTERS} characters; who guesses it can sign in "
            "as anybody.",
            hint="Make one by: python -c 'import secrets; print(secrets.token_urlsafe(64))'",
            id="turnpike.W006",
        )
    is_https = urlsplit(settings.PUBLIC_URL).scheme == "https"
    if is_https and not settings.DEBUG and not settings.SESSION_COOKIE_SECURE:
        yield Warning(
            "PUBLIC_URL is https, but cookies are also sent without it.",
            hint="Leave SECURE_COOKIES out, or set it to true.",
            id="turnpike.W007",
        )
    if settings.SECURE_PROXY_SSL_HEADER is not None and not settings.TRUSTED_PROXIES:
        yield Warning(
            "X-Forwarded-Proto is believed, but no proxy is said to be in front.",
            hint="Set TRUSTED_PROXIES; without a proxy anybody can send that header.",
            id="turnpike.W008",
        )
