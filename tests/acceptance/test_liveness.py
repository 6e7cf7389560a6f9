"""A worker that is alive and takes no messages is noticed, and makes room for one that does."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from tests.acceptance.chaos.supervisor import Supervisor
from tests.acceptance.client import Client
from tests.acceptance.proxy import Proxy, tcp_proxy
from tests.acceptance.stack import PLAIN_TURN, ROOT, Stack, running_stack, until

pytestmark = [pytest.mark.timeout(300), pytest.mark.long, pytest.mark.needs("redis")]

CONSUME_TIMEOUT = 6
GRACE = 4
DEAF = 75
# From a worker's deafness to the answer of a turn that waits for it: noticed, ended, started.
RESTART_SECONDS = 90.0
# From a line that swallows everything to an answer over new ones.
RECONNECT_SECONDS = 90.0


_SPARED = ("queue:embed", "queue:ingest", "queue:pdf", "queue:mail")
_PREFORK = {"threads": "prefork", "8": "2"}


@pytest.fixture(scope="module")
def deafen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file whose finder is struck deaf."""
    return tmp_path_factory.mktemp("deafen") / "now"


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest, empty_redis: str) -> dict[str, str]:
    """Environment variables that name a broker."""
    if request.param == "redis":
        return {"REDIS_URL": empty_redis}
    url = request.getfixturevalue("rabbitmq_url")
    return {"REDIS_URL": empty_redis, "BROKER_URL": url}


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, broker: dict[str, str], deafen: Path
) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("home")
    environment = {
        **broker,
        "CONSUME_TIMEOUT": str(CONSUME_TIMEOUT),
        "DEAFEN_FILE": str(deafen),
        # However slow the machine, only a worker that was ended loses a step.
        "LEASE_SECONDS": "20",
        "WORKER_SOFT_SHUTDOWN_TIMEOUT": str(GRACE),
    }
    app = "tests.acceptance.deafening"
    with running_stack(home, environment, app=app, only=PLAIN_TURN) as stack:
        if "BROKER_URL" in broker:  # each pool is asked in its own way whether it is busy
            # In good order: a killed one would seem to be there until its row is old.
            stack.running["llm"].terminate()
            stack.forget("llm")
            stack.commands["llm"] = tuple(
                _PREFORK.get(word, word) for word in stack.commands["llm"]
            )
            stack.start("llm")
        yield stack


@pytest.fixture
def supervisor(stack: Stack) -> Iterator[Supervisor]:
    """Starts again whatever has ended, as a deployment does."""
    made = Supervisor(stack)
    made.start()
    yield made
    made.end()


def _deaths(supervisor: Supervisor, name: str) -> list[str]:
    return [death.how for death in supervisor.deaths if death.name == name]


def _take_away_its_queue(stack: Stack) -> None:
    """Let the worker of generations live on without its queue."""
    stack.wait_ready(spared=_SPARED)
    command = [sys.executable, "-m", "celery", "-A", "project.celery", "control"]
    done = subprocess.run(
        [*command, "-d", f"llm@{socket.gethostname()}", "cancel_consumer", "llm"],
        cwd=ROOT,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no longer consuming from llm" in done.stdout, done.stderr + stack.log("llm")


def test_a_worker_that_serves_no_queue_any_more_is_replaced(
    stack: Stack, person: Client, supervisor: Supervisor
) -> None:
    _take_away_its_queue(stack)

    job = person.wait(person.turn("hello")["id"], seconds=RESTART_SECONDS)

    assert job["state"] == "completed"
    assert _deaths(supervisor, "llm") == [f"status {DEAF}"]
    assert "node.deaf" in stack.log("llm")


def test_what_a_deaf_worker_has_in_hand_comes_back(
    stack: Stack, person: Client, supervisor: Supervisor
) -> None:
    """Given a step that outlasts the worker's grace, its lease brings it back."""
    stack.wait_ready(spared=_SPARED)
    path = f"/api/v1/jobs/{person.turn('hello [[sandbox latency=25]]')['id']}/"
    until(lambda: person.get(path)["steps"][0]["state"] == "in_progress")

    _take_away_its_queue(stack)
    until(lambda: _deaths(supervisor, "llm") != [], seconds=60)
    job = person.wait(path.split("/")[-2], seconds=RESTART_SECONDS + 25)

    assert _deaths(supervisor, "llm") == [f"status {DEAF}"]
    assert job["state"] == "completed"
    assert [step["attempt"] for step in job["steps"]] == [2, 1]


def test_a_deaf_worker_is_noticed_and_replaced(
    stack: Stack, person: Client, supervisor: Supervisor, deafen: Path
) -> None:
    if "BROKER_URL" in stack.environment:
        pytest.skip("it is a fault of the Redis transport")
    stack.wait_ready(spared=_SPARED)
    deafen.touch()
    until(lambda: not deafen.exists())

    jobs = [person.turn(f"turn {number}")["id"] for number in range(4)]

    # Whichever worker it was: it is missed on the page of health, and soon replaced.
    until(lambda: _unserved(stack) != set(), seconds=60)
    for job_id in jobs:
        assert person.wait(job_id, seconds=RESTART_SECONDS)["state"] == "completed"
    assert [death.how for death in supervisor.deaths] == [f"status {DEAF}"]


def test_a_worker_whose_slots_are_full_is_left_alone(
    stack: Stack, person: Client, supervisor: Supervisor
) -> None:
    stack.wait_ready(spared=_SPARED)
    pid = stack.running["llm"].pid
    # More turns than slots, each longer than a deaf worker would live.
    message = f"hello [[sandbox latency={2 * CONSUME_TIMEOUT}]]"
    jobs = [
        person.turn(message)["id"] for _ in range(4 if "BROKER_URL" in stack.environment else 12)
    ]
    ended = [person.wait(job_id, seconds=120) for job_id in jobs]

    assert {job["state"] for job in ended} == {"completed"}
    assert {step["attempt"] for job in ended for step in job["steps"]} == {1}
    assert supervisor.deaths == []
    assert stack.running["llm"].pid == pid


def _unserved(stack: Stack) -> set[str]:
    rows = httpx.get(f"{stack.url}/readyz").json()["checks"]
    return {row["name"] for row in rows if not row["ok"]} - set(_SPARED)


def test_nothing_of_it_stays_behind(stack: Stack, empty_redis: str) -> None:
    """Given workers that came and went, every queue of theirs in Redis has an end of its life."""
    prefix = stack.environment["BROKER_KEY_PREFIX"]
    with redis.Redis.from_url(empty_redis) as client:
        keys = list(client.scan_iter(f"{prefix}node.*"))
        lives = [client.ttl(key) for key in keys]
        bound = list(client.scan_iter(f"{prefix}_kombu.binding.*node*"))
    assert all(0 <= life <= 2 * CONSUME_TIMEOUT or life == -2 for life in lives), lives
    assert bound == []


@pytest.fixture
def line(empty_redis: str) -> Iterator[Proxy]:
    """A line to Redis that can be spoilt."""
    there = urlsplit(empty_redis)
    with tcp_proxy(there.hostname or "127.0.0.1", there.port or 6379) as proxy:
        yield proxy


def test_a_line_that_swallows_everything_is_given_up(
    line: Proxy, empty_redis: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given connections that were black-holed while new ones pass, the turns are answered."""
    environment = {"REDIS_URL": f"redis://127.0.0.1:{line.port}{urlsplit(empty_redis).path}"}
    with running_stack(tmp_path, environment, only=PLAIN_TURN) as stack:
        supervisor = Supervisor(stack)
        supervisor.start()
        client = stack.client("ada@example.com")
        client.sign_up()
        assert client.wait(client.turn("hello")["id"])["state"] == "completed"

        line.blackhole(established_only=True)
        began = time.monotonic()
        jobs = [client.turn(f"turn {number}")["id"] for number in range(8)]
        ended = [client.wait(job_id, seconds=RECONNECT_SECONDS) for job_id in jobs]
        took = time.monotonic() - began

        supervisor.end()
        replaced = [f"{death.name} ({death.how})" for death in supervisor.deaths]
        how = f"by replacing {replaced}" if replaced else "by itself"
        with capsys.disabled():
            print(f"\nout of the black hole after {took:.1f} s, {how}")  # noqa: T201
        assert {job["state"] for job in ended} == {"completed"}
