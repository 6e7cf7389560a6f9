"""Two thousand clients that follow a job each, on one front door: what they cost, how late it is.

The texts are written as workers write them, by tails in this process; so what is measured is Redis,
the front door and the line, with a client that shares the machine's cores with them.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil  # type: ignore[import-untyped]
import pytest
from pytest_django import Settings

from pipelines.jobs.tail import Tail
from tests.acceptance.client import Client
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack
from tests.benchmarks.bench_turn_overhead import percentile, row
from tests.benchmarks.chains import emptied_redis

pytestmark = [pytest.mark.timeout(900), pytest.mark.needs("redis", "postgres")]

CLIENTS = int(os.environ.get("CLIENTS", "2000"))
TURNS = int(os.environ.get("TURNS", "50"))
# Seconds of silence, and of writing; words written a second, over all texts.
SILENT, WRITING, WORDS = 10.0, 20.0, 1000
_STAMP = re.compile(r"\d+\.\d+")
_JOBS = """
from datetime import timedelta
from django.utils import timezone
from pipelines.accounts.models import User
from pipelines.jobs.models import Job, JobStep
owner, later = User.objects.get(), timezone.now() + timedelta(hours=1)
jobs = [Job(kind="chat.turn", owner=owner, state="in_progress", input={{}}) for _ in range({count})]
Job.objects.bulk_create(jobs)
JobStep.objects.bulk_create(
    JobStep(job=job, name="chat.generate", queue="llm", position=0, state="in_progress", attempt=1,
            lease_expires_at=later)
    for job in jobs
)
print(*(job.pk for job in jobs))
"""


class Crowd:
    """Clients, each with a line of its own."""

    def __init__(self, stack: Stack, token: str) -> None:
        self.late: list[float] = []
        self._expected = CLIENTS
        self._is_complete = asyncio.Event()
        self._address = urlsplit(stack.url)
        self._token = token
        self._lines: list[asyncio.Task[None]] = []

    async def gather(self, jobs: list[str]) -> None:
        """Let them come, some at a time, and wait until each has been told something."""
        for number, job in enumerate(jobs):
            self._lines.append(asyncio.create_task(self._follow(job)))
            if number % 50 == 49:
                await asyncio.sleep(0.1)
        await self._is_complete.wait()

    async def leave(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _follow(self, job: str) -> None:
        assert self._address.hostname is not None
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        head = f"GET /api/v1/jobs/{job}/events/ HTTP/1.1\r\nHost: {self._address.netloc}\r\n"
        writer.write(f"{head}Authorization: Bearer {self._token}\r\n\r\n".encode())
        try:
            while line := await reader.readline():
                if not line.startswith(b"data: "):
                    continue
                now, event = time.time(), json.loads(line[6:])
                if event["type"] == "job.queued":
                    self._expected -= 1
                    if not self._expected:
                        self._is_complete.set()
                self.late += [now - float(at) for at in _STAMP.findall(event.get("delta", ""))]
        finally:
            writer.close()


async def _write(tails: list[Tail]) -> int:
    """Write the time into texts chosen by chance; return how many words that were."""
    chance, words = random.Random(1), 0
    until = time.monotonic() + WRITING
    while time.monotonic() < until:
        for tail in chance.sample(tails, min(len(tails), WORDS // 20)):
            tail.grow(f"{time.time():.6f} ")
            words += 1
        await asyncio.sleep(1 / 20)
    return words


def _seconds(web: psutil.Process) -> float:
    times = web.cpu_times()
    return float(times.user + times.system)


def test_two_thousand_clients(
    tmp_path: Path, redis_url: str, fresh_postgres: str, settings: Settings
) -> None:
    services = {"REDIS_URL": emptied_redis(redis_url), "DATABASE_URL": fresh_postgres}
    with running_stack(tmp_path, services, only=("web", "relay")) as stack:
        person = stack.client("ada@example.com")
        person.sign_up()
        stack.kill("relay")
        jobs = stack.manage("shell", "-v0", "-c", _JOBS.format(count=CLIENTS)).split()[-CLIENTS:]
        settings.REDIS_URL = services["REDIS_URL"]
        settings.EVENTS_KEY_PREFIX = f"{stack.environment['BROKER_KEY_PREFIX']}events:"
        web = psutil.Process(stack.running["web"].pid)
        tails = [Tail(job, 0) for job in jobs]  # type: ignore[arg-type]  # a text will do

        async def scene() -> Crowd:
            crowd = Crowd(stack, person.token)
            before = web.memory_info().rss
            await crowd.gather(jobs)
            size = (web.memory_info().rss - before) / CLIENTS / 1024
            begun = _seconds(web)
            await asyncio.sleep(SILENT)
            idle = (_seconds(web) - begun) / SILENT
            begun = _seconds(web)
            words = await _write(tails)
            await asyncio.sleep(2)
            busy = _seconds(web) - begun - idle * (WRITING + 2)
            await crowd.leave()
            threads = web.num_threads()
            print(f"\nclients on one front door          {CLIENTS} ({threads} threads)")
            print(f"memory of each                     {size:.1f} KiB")
            print(f"processor while nothing happens    {idle * 100:.1f} % of a core")
            print(f"processor for each word            {busy / words * 1e6:.0f} µs, {words} words")
            assert len(crowd.late) == words
            return crowd

        crowd = asyncio.run(scene())
        print(row("from the worker to the client", crowd.late))


def test_time_to_the_first_word(tmp_path: Path, redis_url: str, fresh_postgres: str) -> None:
    services = {"REDIS_URL": emptied_redis(redis_url), "DATABASE_URL": fresh_postgres}
    ours: list[float] = []
    theirs: list[float] = []
    with running_stack(tmp_path, services, only=PLAIN_TURN) as stack:
        person = stack.client("bob@example.com")
        person.sign_up()
        person.wait(person.turn("What does a cart pay?")["id"])
        for _ in range(TURNS):
            begun = time.monotonic()
            _first_chunk(stack.sandbox.base_url)
            theirs.append(time.monotonic() - begun)
            begun = time.monotonic()
            _first_delta(person)
            ours.append(time.monotonic() - begun)
    print(f"\n{row('the first word from the sandbox', theirs)}")
    print(row("the first word through a turn", ours))
    print(f"added at the median: {(percentile(ours, 50) - percentile(theirs, 50)) * 1000:.0f} ms")
    print(f"ratio of the medians: {percentile(ours, 50) / percentile(theirs, 50):.2f}")
    assert len(ours) == TURNS


def _first_chunk(base_url: str) -> None:
    body = {
        "model": "sandbox",
        "stream": True,
        "messages": [{"role": "user", "content": "What does a cart pay?"}],
    }
    with httpx.stream("POST", f"{base_url}/chat/completions", json=body) as response:
        for line in response.iter_lines():
            if line.startswith("data: {") and json.loads(line[6:])["choices"][0]["delta"].get(
                "content"
            ):
                return


def _first_delta(person: Client) -> None:
    job = person.turn("What does a cart pay?")["id"]
    for event in person.events(job):
        if event["type"] == "text.delta":
            break
    person.wait(job)
