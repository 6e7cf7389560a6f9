"""Typed reads of environment variables, whose errors name the variable and what it accepts."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import environ
import limits
from django.core.exceptions import ImproperlyConfigured

Number = TypeVar("Number", int, float)

_env = environ.Env()

_ENGINES = {
    "sqlite": "django.db.backends.sqlite3",
    "postgres": "project.postgresql",
    "postgresql": "project.postgresql",
}


def _refuse(name: str, value: object, wanted: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}={value!r} cannot be used: it must be {wanted}.")


def text(name: str, default: str | None = None, *, choices: Sequence[str] = ()) -> str:
    """Read a string; without a default the variable must be set and not be empty."""
    value = str(_env.str(name, default=default or ""))
    if default is None and not value:
        raise ImproperlyConfigured(f"{name} must be set.")
    if choices and value not in choices:
        raise _refuse(name, value, "one of " + ", ".join(choices))
    return value


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 2**31) -> int:
    """Read a whole number between its bounds, both included."""
    return _bounded(name, default, int, "a whole number", minimum, maximum)


def number(name: str, default: float, *, minimum: float = 0.0, maximum: float = 1e9) -> float:
    """Read a number, mostly seconds, between its bounds, both included."""
    return _bounded(name, default, float, "a number", minimum, maximum)


def _bounded(
    name: str, default: Number, parse: type[Number], kind: str, minimum: Number, maximum: Number
) -> Number:
    raw = text(name, str(default))
    wanted = f"{kind} from {minimum} to {maximum}"
    try:
        value = parse(raw)
    except ValueError as error:
        raise _refuse(name, raw, wanted) from error
    if not minimum <= value <= maximum:
        raise _refuse(name, raw, wanted)
    return value


def flag(name: str, default: bool) -> bool:
    """Read a yes or no."""
    raw = text(name, str(default)).lower()
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise _refuse(name, raw, "true or false")


def rate(name: str, default: str) -> limits.RateLimitItem | None:
    """Read a rate, such as `100/minute`, `5/hour` or `30/15 minutes`; None when it is off."""
    raw = text(name, default)
    if raw.strip().lower() in {"", "off"}:
        return None
    try:
        (item,) = limits.parse_many(raw)
    except ValueError as error:
        raise _refuse(name, raw, "a rate such as 100/minute, or off") from error
    if not item.amount:
        raise _refuse(name, raw, "a rate above nothing, or off")
    return item


def items(name: str, default: Sequence[str] = ()) -> list[str]:
    """Read a comma-separated list, blanks dropped."""
    return [item.strip() for item in text(name, ",".join(default)).split(",") if item.strip()]


def database(name: str, default: str) -> dict[str, Any]:
    """Read a database URL into Django's form; only SQLite and PostgreSQL are accepted."""
    url = text(name, default)
    scheme = url.partition("://")[0]
    if scheme not in _ENGINES:
        raise _refuse(name, f"{scheme}://…", "a sqlite:/// or postgresql:// address")
    return dict(_env.db_url_config(url, engine=_ENGINES[scheme]))


def secret_key(name: str, home: Path) -> str:
    """Read the signing key, else make one that stays in the home folder, for its owner only."""
    if value := text(name, ""):
        return value
    path = home / "secret_key"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=home) as draft:  # mode 0600
            draft.write(secrets.token_urlsafe(64))
            draft.flush()
            # A link appears whole or not at all, so processes that start together share one key.
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(draft.name)
    return path.read_text().strip()
