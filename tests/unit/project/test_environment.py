"""Settings from the environment: typed, bounded, and refused by name."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from project.settings import environment as env
from project.settings.providers import provider_table
from project.settings.transport import _socket_path

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("value", ["1", "5", "9"])
def test_a_number_within_its_bounds_is_read(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("X", value)

    assert env.integer("X", 3, minimum=1, maximum=9) == int(value)


@pytest.mark.parametrize("value", ["0", "10", "five", "1.5", ""])
def test_any_other_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("X", value)

    with pytest.raises(ImproperlyConfigured, match=r"X=.* must be a whole number from 1 to 9"):
        env.integer("X", 3, minimum=1, maximum=9)


@pytest.mark.parametrize(("value", "read"), [("yes", True), ("ON", True), ("0", False)])
def test_yes_and_no(monkeypatch: pytest.MonkeyPatch, value: str, read: bool) -> None:
    monkeypatch.setenv("X", value)

    assert env.flag("X", default=not read) is read


def test_an_unknown_choice_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "pigeon")

    with pytest.raises(ImproperlyConfigured, match=r"X=.pigeon. .* one of smtp, files"):
        env.text("X", "smtp", choices=["smtp", "files"])


def test_only_two_databases_are_accepted_and_no_password_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("X", "mysql://u:secret@h/d")

    with pytest.raises(ImproperlyConfigured, match="X=") as refused:
        env.database("X", "sqlite:///x")

    assert "secret" not in str(refused.value)


def test_the_signing_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    first, second = (env.secret_key("NO_SUCH_KEY", tmp_path / "home") for _ in range(2))

    assert first == second
    assert len(first) > 60
    mode = stat.S_IMODE((tmp_path / "home" / "secret_key").stat().st_mode)
    assert mode == 0o600


def test_the_sandbox_stands_in_only_while_no_provider_is_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert list(provider_table("http://sandbox")) == ["sandbox"]

    monkeypatch.setenv("MISTRAL_API_KEY", "m-secret")
    monkeypatch.setenv("PROVIDERS", "acme")
    monkeypatch.setenv("ACME_API_KEY", "a-secret")
    monkeypatch.setenv("ACME_BASE_URL", "https://llm.example.com/v1")
    monkeypatch.setenv("ACME_MODEL", "acme-1")
    table = provider_table("http://sandbox")

    assert list(table) == ["mistral", "acme"]
    assert (table["acme"].protocol, table["acme"].model) == ("chat_completions", "acme-1")
    assert "secret" not in repr(table)


def test_a_provider_without_its_address_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDERS", "acme")

    with pytest.raises(ImproperlyConfigured, match="ACME_BASE_URL must be set"):
        provider_table("http://sandbox")


def test_a_provider_has_no_limits_but_those_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    row = provider_table("http://sandbox")["sandbox"]
    assert (row.rpm, row.tpm, row.concurrency) == (0, 0, 0)

    for name, value in {"RPM": "60", "TPM": "90000", "CONCURRENCY": "10000"}.items():
        monkeypatch.setenv(f"SANDBOX_{name}", value)

    row = provider_table("http://sandbox")["sandbox"]
    assert (row.rpm, row.tpm, row.concurrency) == (60, 90_000, 10_000)


@pytest.mark.parametrize(
    ("name", "value"), [("RPM", "-1"), ("TPM", "many"), ("CONCURRENCY", "10001")]
)
def test_a_limit_out_of_its_bounds_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SANDBOX_{name}", value)

    with pytest.raises(ImproperlyConfigured, match=f"SANDBOX_{name}="):
        provider_table("http://sandbox")


def test_a_home_too_deep_for_a_socket_gets_a_shorter_path(tmp_path: Path) -> None:
    assert _socket_path(Path("/srv/turnpike")) == Path("/srv/turnpike/run/redis.sock")

    deep = _socket_path(tmp_path / ("x" * 120))

    assert len(bytes(deep)) <= 100
    assert deep != _socket_path(tmp_path / ("y" * 120))


@pytest.mark.parametrize(
    "missing", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS", "PUBLIC_URL"]
)
def test_production_does_not_start_without(missing: str, tmp_path: Path) -> None:
    environment = {
        "SECRET_KEY": "x" * 50,
        "DATABASE_URL": "postgresql://u@h/d",
        "REDIS_URL": "redis://h/0",
        "ALLOWED_HOSTS": "example.com",
        "PUBLIC_URL": "https://example.com",
        "TURNPIKE_HOME": str(tmp_path),
    }
    del environment[missing]

    done = subprocess.run(
        [sys.executable, "-c", "import project.settings.prod"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert f"{missing} must be set." in done.stderr


@pytest.mark.parametrize(
    ("value", "amount", "seconds"), [("100/minute", 100, 60), ("30 per 15 minutes", 30, 900)]
)
def test_a_rate_is_read(
    monkeypatch: pytest.MonkeyPatch, value: str, amount: int, seconds: int
) -> None:
    monkeypatch.setenv("X", value)

    rate = env.rate("X", "1/second")

    assert rate is not None
    assert (rate.amount, rate.get_expiry()) == (amount, seconds)


@pytest.mark.parametrize("value", ["", "off", "OFF"])
def test_a_rate_may_be_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("X", value)

    assert env.rate("X", "1/second") is None


@pytest.mark.parametrize("value", ["many", "5", "0/minute", "5/fortnight", "1/second; 5/minute"])
def test_any_other_rate_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("X", value)

    with pytest.raises(ImproperlyConfigured, match=r"X=.* must be a rate"):
        env.rate("X", "1/second")
