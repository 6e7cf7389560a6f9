"""What is wrong behind a proxy is said in plain words, each with its id."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from pytest_django import Settings

ROOT = Path(__file__).parents[3]
GOOD = {
    "DEBUG": False,
    "PUBLIC_URL": "https://turnpike.example.org",
    "ALLOWED_HOSTS": ["turnpike.example.org"],
    "CSRF_TRUSTED_ORIGINS": [],
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
    "TRUSTED_PROXIES": 1,
    "SESSION_COOKIE_SECURE": True,
    "SECRET_KEY": "k" * 50,
    "CORS_ALLOWED_ORIGINS": ["https://app.example.org", "http://localhost:3000"],
    "CORS_ALLOW_ALL_ORIGINS": False,
    "CORS_ALLOW_CREDENTIALS": True,
}


def _found(settings: Settings, **wrong: Any) -> set[str]:
    for name, value in {**GOOD, **wrong}.items():
        setattr(settings, name, value)
    found = {str(message.id) for message in run_checks(tags=[Tags.security])}
    return {name for name in found if name.startswith("turnpike.")}


@pytest.mark.parametrize(
    ("wrong", "ids"),
    [
        ({}, set()),
        ({"SECURE_PROXY_SSL_HEADER": None}, {"W001", "W003"}),
        (
            {
                "SECURE_PROXY_SSL_HEADER": None,
                "CSRF_TRUSTED_ORIGINS": ["https://turnpike.example.org"],
            },
            {"W001"},
        ),
        ({"ALLOWED_HOSTS": ["other.example.org"]}, {"W002"}),
        ({"ALLOWED_HOSTS": [".example.org"]}, set()),
        ({"CORS_ALLOW_ALL_ORIGINS": True}, {"E004"}),
        ({"CORS_ALLOW_ALL_ORIGINS": True, "CORS_ALLOW_CREDENTIALS": False}, set()),
        ({"CORS_ALLOWED_ORIGINS": ["http://app.example.org"]}, {"W005"}),
        ({"SECRET_KEY": "k" * 49}, {"W006"}),
        ({"SESSION_COOKIE_SECURE": False}, {"W007"}),
        ({"TRUSTED_PROXIES": 0}, {"W008"}),
    ],
    ids=lambda given: str(sorted(given)),  # of a set, too, in one order
)
def test_each_mistake_has_its_id(settings: Settings, wrong: dict[str, Any], ids: set[str]) -> None:
    assert _found(settings, **wrong) == {f"turnpike.{each}" for each in ids}


_CHECK = ("check", "--deploy", "--fail-level", "WARNING")


def _check(
    home: Path, command: Sequence[str] = _CHECK, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "project.settings.prod",
            "SECRET_KEY": "kx9-mn" * 10,
            "DATABASE_URL": "postgresql://u@127.0.0.1/d",
            "REDIS_URL": "redis://127.0.0.1/0",
            "ALLOWED_HOSTS": "turnpike.example.org",
            "PUBLIC_URL": "https://turnpike.example.org",
            "TRUSTED_PROXIES": "1",
            "TURNPIKE_HOME": str(home),
            **more,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_is_clean(tmp_path: Path) -> None:
    done = _check(tmp_path)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("DEBUG", "False"),
        ("SESSION_COOKIE_NAME", "__Host-sessionid"),
        ("CSRF_COOKIE_NAME", "__Host-csrftoken"),
        ("SESSION_COOKIE_SECURE", "True"),
        ("CSRF_COOKIE_SECURE", "True"),
        ("SECURE_SSL_REDIRECT", "True"),
        ("SECURE_HSTS_SECONDS", "31536000"),
        ("SECURE_HSTS_INCLUDE_SUBDOMAINS", "True"),
    ],
)
def test_production_is_set_for_tls(production: dict[str, str], setting: str, value: str) -> None:
    assert production[setting] == value


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every setting of production, as a text."""
    code = "from django.conf import settings as s; print(*[f'{n}={getattr(s, n)}' for n in dir(s)"
    code += " if n.isupper()], sep=chr(10))"
    done = _check(tmp_path_factory.mktemp("home"), ["shell", "--no-imports", "-c", code])
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def test_production_without_its_proxy_is_told(tmp_path: Path) -> None:
    done = _check(tmp_path, TRUSTED_PROXIES="0")

    assert done.returncode == 1
    assert "PUBLIC_URL is https, but nothing says which requests came by it." in done.stderr


@pytest.mark.parametrize("name", ["THROTTLE_USER", "THROTTLE_MAIL"])
def test_a_wrong_rate_is_refused_by_name(tmp_path: Path, name: str) -> None:
    done = _check(tmp_path, **{name: "many/minute"})

    assert done.returncode == 1
    assert f"{name}='many/minute' cannot be used: it must be a rate" in done.stderr
