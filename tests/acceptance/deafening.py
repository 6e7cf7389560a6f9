"""A worker's app that can be struck deaf: alive, connected, and taking nothing from Redis any more.

That is what a reconnect sometimes leaves behind (celery#10205, #10302): nobody asks Redis for the
next message, and nothing says so. It happens to the process that finds the file DEAFEN_FILE.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kombu.transport import redis

from workers.app import app

__all__ = ["app"]

_channel: Any = redis.Channel  # its inside is in no type
_ask = _channel._brpop_start
_deaf = False


def _ask_no_more(channel: Any, *arguments: Any, **options: Any) -> None:
    global _deaf  # noqa: PLW0603 - this process's fate
    file = Path(os.environ["DEAFEN_FILE"])
    if not _deaf and file.exists():
        file.unlink()
        _deaf = True
    if not _deaf:
        _ask(channel, *arguments, **options)


_channel._brpop_start = _ask_no_more
