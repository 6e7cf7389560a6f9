"""The hot end of the jobs' logs, in Redis: texts while they grow, and word that a line was added.

Each text has one key (its generation, a line break, the text), and each growth of it is published
under the same name. Losing any of it costs a reader time alone: whatever matters is noted in the
database, too.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import RedisError
from redis.retry import Retry

from pipelines.core.processes import PerProcess

log = structlog.get_logger(__name__)

# Seconds between two complaints about a Redis that cannot be reached.
_COMPLAINT_SECONDS = 60.0
_WRITE = """
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('PUBLISH', KEYS[1], ARGV[3])
return 1
"""
# Only to what it was meant for: a text that Redis lost or that began afresh is written whole.
_GROW = """
if redis.call('STRLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
redis.call('APPEND', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', KEYS[1], ARGV[4])
return 1
"""


@dataclass(frozen=True)
class Piece:
    """A part of a text: which beginning of the text, from which character on, and the part."""

    generation: int
    offset: int
    text: str


def channel(job_id: UUID) -> str:
    """Name the key of a job's text, and the channel on which its growth is told."""
    return f"{settings.EVENTS_KEY_PREFIX}{job_id}"


def job_of(name: bytes) -> UUID:
    """Tell whose channel it is."""
    return UUID(name.decode().removeprefix(settings.EVENTS_KEY_PREFIX))


def whole(value: bytes) -> Piece:
    """Read the value of a text's key."""
    generation, _, text = value.partition(b"\n")
    return Piece(int(generation), 0, text.decode())


def piece(message: bytes) -> Piece | None:
    """Read what was published; None when it says that the lines have changed."""
    return Piece(*json.loads(message)) if message else None


class Tail:
    """A text that grows, in the process that writes it."""

    def __init__(self, job_id: UUID, generation: int, text: str = "") -> None:
        """Begin with what there is of the text already."""
        self.key, self.generation, self.is_open = channel(job_id), generation, True
        self._head = f"{generation}\n".encode()
        self._text = text
        # The characters and the bytes that Redis has; None when that is not known.
        self._told: tuple[int, int] | None = None
        _teller().grown(self)

    def grow(self, text: str) -> None:
        """Add to the text; it is told within EVENTS_FLUSH_SECONDS."""
        if text:
            self._text += text
            _teller().grown(self)

    def close(self) -> None:
        """Say that the text grows no more; the key is gone EVENTS_FADE_SECONDS later."""
        self.is_open = False
        _teller().grown(self)

    def tell(self, pipe: Pipeline) -> Callable[[bool], bool]:
        """Have Redis told what it lacks; return what notes down whether that has worked."""
        text, told = self._text, self._told
        seconds = settings.EVENTS_KEEP_SECONDS if self.is_open else settings.EVENTS_FADE_SECONDS
        offset, size = told or (0, len(self._head))
        new = text[offset:].encode()
        message = json.dumps([self.generation, offset, text[offset:]])
        if told is None:
            pipe.eval(_WRITE, 1, self.key, self._head + new, seconds, message)
        else:
            pipe.eval(_GROW, 1, self.key, size, new, seconds, message)

        def settle(has_worked: bool) -> bool:
            self._told = (len(text), size + len(new)) if has_worked else None
            return has_worked

        return settle


class _Teller:
    """A thread that tells Redis what has grown and changed, gathered for a moment."""

    def __init__(self) -> None:
        self._redis = Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=settings.REDIS_SOCKET_TIMEOUT,
            socket_connect_timeout=settings.REDIS_SOCKET_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._changed: set[UUID] = set()
        self._grown: set[Tail] = set()
        self._complained_at = float("-inf")
        threading.Thread(target=self._run, name="teller", daemon=True).start()

    def changed(self, job_id: UUID) -> None:
        """A line was added."""
        with self._lock:
            self._changed.add(job_id)
        self._news.set()

    def grown(self, tail: Tail) -> None:
        """A text has grown, begun or ended."""
        with self._lock:
            self._grown.add(tail)
        self._news.set()

    def _run(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            with self._lock:
                changed, self._changed = self._changed, set()
                grown, self._grown = self._grown, set()
            missed: list[Tail] = []
            pause = settings.EVENTS_FLUSH_SECONDS
            try:
                missed = self._tell(changed, list(grown))
            except RedisError as error:
                self._complain(error)
                # What has ended is in the database; what grows is told as soon as that works.
                missed = [tail for tail in grown if tail.is_open]
                pause = settings.EVENTS_RETRY_SECONDS
            except Exception:
                log.exception("tail.bug")
            time.sleep(pause)
            for tail in missed:
                self.grown(tail)

    def _tell(self, changed: set[UUID], grown: list[Tail]) -> list[Tail]:
        """Tell it all at once; return the texts of which Redis has not what was thought."""
        with self._redis.pipeline(transaction=False) as pipe:
            settles = [tail.tell(pipe) for tail in grown]
            for job_id in changed:
                pipe.publish(channel(job_id), b"")
            answers: list[Any] = []
            try:
                answers = pipe.execute(raise_on_error=False)
            finally:
                told = zip_longest(grown, settles, answers[: len(grown)])
                missed = [tail for tail, settle, answer in told if not settle(answer == 1)]
        for answer in answers:
            if isinstance(answer, RedisError):  # a full Redis, say: no sooner again than an absent
                raise answer
        return missed

    def _complain(self, error: RedisError) -> None:
        if time.monotonic() - self._complained_at >= _COMPLAINT_SECONDS:
            self._complained_at = time.monotonic()
            log.warning("tail.redis_unreachable", error=str(error))


_teller = PerProcess(_Teller)


def tell_on_commit(job_id: UUID) -> None:
    """Have a job's followers look at its lines once the present transaction has committed."""
    transaction.on_commit(partial(_teller().changed, job_id))
