"""The guards of the front door, on real processes: guessing from many addresses, and throttles."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email import message_from_bytes

import httpx
import pytest

from tests.acceptance.chaos.redis_server import RedisServer, private_redis
from tests.acceptance.client import PASSWORD
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack, until

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow, pytest.mark.needs("postgres")]

GUESSES, ADDRESSES, LIMIT = 1_000, 100, 10
QUOTA = 30
# Its timeout is 0.1 s and the rest the machine's; what waits for Redis elsewhere waits for 5 s.
HELD_SECONDS = 3.0
ENVIRONMENT = {
    "TRUSTED_PROXIES": "1",
    "SIGN_IN_FAILURES": str(LIMIT),
    "THROTTLE_USER": f"{QUOTA}/day",
    "THROTTLE_PAUSE_SECONDS": "1",
}


@dataclass
class Scene:
    """A stack, and the Redis of its own in which it counts."""

    stack: Stack
    redis: RedisServer
    http: httpx.Client

    def signs_in(self, name: str, password: str, address: str) -> httpx.Response:
        """Sign in as if a proxy had heard it from an address."""
        return self.http.post(
            "/api/v1/tokens/",
            json={"username": name, "password": password},
            headers={"X-Forwarded-For": f"198.51.100.7, {address}"},
        )

    def asks(self, token: str) -> httpx.Response:
        """Send a request that is counted for an account."""
        shown = {"Authorization": f"Bearer {token}"}
        return self.http.get("/api/v1/accounts/me/", headers=shown)

    def link(self, address: str, subject: str) -> str:
        """Wait for an e-mail, and return the link in it."""
        found: list[str] = []

        def has_come() -> bool:
            for file in (self.stack.home / "outbox").rglob("*.eml"):
                message = message_from_bytes(file.read_bytes())
                if message["To"] == address and subject in message["Subject"]:
                    part = next(p for p in message.walk() if p.get_content_type() == "text/plain")
                    text = bytes(part.get_payload(decode=True)).decode()
                    found.extend(re.findall(r"https?://\S+", text))
            return bool(found)

        until(has_come, seconds=60)
        return found[0]


@pytest.fixture(scope="module")
def scene(fresh_postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    home = tmp_path_factory.mktemp("home")
    with private_redis(tmp_path_factory.mktemp("redis")) as redis:
        environment = {
            "DATABASE_URL": fresh_postgres,
            "REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
            **ENVIRONMENT,
        }
        with (
            running_stack(home, environment, only=(*PLAIN_TURN, "mail")) as stack,
            httpx.Client(base_url=stack.url, timeout=60) as http,
        ):
            yield Scene(stack, redis, http)


def test_a_thousand_guesses_from_a_hundred_addresses_lock_one_account(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ada", "bob"):
        scene.stack.client(f"{name}@example.com").sign_up()

    def guess(number: int) -> httpx.Response:
        name = "ADA@example.com" if number % 2 else "ada@example.com"
        return scene.signs_in(name, f"guess {number}", f"203.0.113.{number % ADDRESSES}")

    with ThreadPoolExecutor(16) as pool:
        began = time.monotonic()
        answers = list(pool.map(guess, range(GUESSES)))
        took = time.monotonic() - began

    with capsys.disabled():
        print(f"\n{GUESSES} guesses in {took:.1f} s: {GUESSES / took:.0f} a second")  # noqa: T201
    assert Counter(answer.status_code for answer in answers) == {401: LIMIT, 429: GUESSES - LIMIT}
    locked = [answer.json()["code"] for answer in answers if answer.status_code == 429]
    assert set(locked) == {"sign_in_locked"}
    assert scene.signs_in("ada@example.com", PASSWORD, "192.0.2.1").status_code == 429
    assert scene.signs_in("bob@example.com", PASSWORD, "203.0.113.1").status_code == 200


def test_a_link_lets_in_meanwhile_and_unlocks(scene: Scene) -> None:
    body = {"email": "eve@example.com"}
    scene.stack.client(body["email"]).sign_up()
    statuses = [scene.signs_in(body["email"], "wrong", "192.0.2.2").status_code for _ in range(11)]
    assert statuses == [401] * LIMIT + [429]

    ordered = scene.http.post("/api/v1/accounts/sign-in-links/", json=body)
    assert ordered.status_code == 202
    token = httpx.URL(scene.link(body["email"], "Your link to sign in")).params["token"]
    entered = scene.http.post("/api/v1/tokens/by-link/", json={"token": token})

    assert entered.status_code == 200, entered.text
    assert scene.signs_in(body["email"], PASSWORD, "192.0.2.2").status_code == 200


def _left(answer: httpx.Response) -> int:
    found = re.match(r'"user";r=(\d+);t=\d+', answer.headers["RateLimit"])
    assert found is not None
    return int(found[1])


def test_a_frozen_redis_holds_no_request_and_lets_nobody_past(scene: Scene) -> None:
    client = scene.stack.client("dan@example.com")
    client.sign_up()
    before = [_left(scene.asks(client.token)) for _ in range(3)]
    assert before == [QUOTA - 1, QUOTA - 2, QUOTA - 3]

    scene.redis.send(signal.SIGSTOP)
    try:
        answers, times = [], []
        for _ in range(QUOTA + 5):
            began = time.monotonic()
            answers.append(scene.asks(client.token))
            times.append(time.monotonic() - began)
    finally:
        scene.redis.send(signal.SIGCONT)

    assert max(times) < HELD_SECONDS
    # The front door's own counters begin afresh, and end where they should.
    assert [answer.status_code for answer in answers] == [200] * QUOTA + [429] * 5
    # … and what Redis had counted holds again.
    until(lambda: scene.asks(client.token).status_code == 200, seconds=15)
    assert _left(scene.asks(client.token)) < QUOTA - 3


def test_an_answer_says_who_answers_to_nobody(scene: Scene) -> None:
    answer = scene.http.get("/healthz")

    assert "Server" not in answer.headers
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
