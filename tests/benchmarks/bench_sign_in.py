"""Known and unknown addresses side by side: whether the time of an answer tells which it was.

Requests for both are sent in turns, so that whatever else the machine does falls on both alike.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.acceptance.client import PASSWORD
from tests.acceptance.stack import PLAIN_TURN, running_stack
from tests.benchmarks.chains import emptied_redis

pytestmark = [pytest.mark.timeout(900), pytest.mark.needs("redis", "postgres")]

REQUESTS = int(os.environ.get("REQUESTS", "100"))
# Otherwise the hundredth wrong password would be refused before it is compared.
_SETTINGS = {"SIGN_IN_FAILURES": "1000000"}
KNOWN = "ada@example.com"


def _unknown() -> str:
    return f"{uuid4().hex[:8]}@example.com"


ROUTES: dict[str, tuple[str, Callable[[str], dict[str, str]]]] = {
    "register": ("/api/v1/accounts/", lambda email: {"email": email, "password": PASSWORD}),
    "sign in": ("/api/v1/tokens/", lambda email: {"email": email, "password": "wrong"}),
    "reset": ("/api/v1/accounts/password-resets/", lambda email: {"email": email}),
    "sign-in link": ("/api/v1/accounts/sign-in-links/", lambda email: {"email": email}),
}


def test_known_and_unknown(tmp_path: Path, redis_url: str, fresh_postgres: str) -> None:
    services = {"REDIS_URL": emptied_redis(redis_url), "DATABASE_URL": fresh_postgres, **_SETTINGS}
    with (
        running_stack(tmp_path, services, only=PLAIN_TURN) as stack,
        httpx.Client(base_url=stack.url, timeout=30) as client,
    ):
        stack.client(KNOWN).sign_up()
        print()
        for name, (path, body) in ROUTES.items():
            answers: set[tuple[int, str]] = set()
            times: dict[bool, list[float]] = {True: [], False: []}
            for number in range(2 * REQUESTS):
                is_known = bool(number % 2)
                sent = body(KNOWN if is_known else _unknown())
                began = time.perf_counter()
                answer = client.post(path, json=sent)
                times[is_known].append(time.perf_counter() - began)
                answers.add((answer.status_code, answer.text))
            assert len(answers) == 1, answers
            known, unknown = (statistics.median(times[which]) * 1000 for which in (True, False))
            print(f"{name:<14} known {known:7.1f} ms   unknown {unknown:7.1f} ms   ", end="")
            print(f"ratio {known / unknown:.3f}   (medians of {REQUESTS})")
