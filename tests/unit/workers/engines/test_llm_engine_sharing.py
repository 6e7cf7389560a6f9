"""The engine against the real sandbox process: what calls, threads and equal providers share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.sandbox_server import SandboxServer
from tests.unit.workers.engines.llm_sandbox import Protocol, ask, both, model, text
from workers.engines.llm import Provider, Turn

pytestmark = pytest.mark.enable_socket


@both
def test_connections_are_used_again(sandbox: SandboxServer, protocol: Protocol) -> None:
    llm = model(sandbox, protocol, read_timeout=31)

    for _ in range(3):
        list(llm.stream(ask()))

    pool = llm._line.client._client._transport._pool  # type: ignore[attr-defined]
    assert len(pool.connections) == 1


@both
def test_many_threads_share_one_model(sandbox: SandboxServer, protocol: Protocol) -> None:
    def answer(number: int) -> str:
        prompt = replace(ask(), turns=(Turn("user", f"Number {number}? [[sandbox delta=0.005]]"),))
        return text(model(sandbox, protocol).stream(prompt))

    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(answer, range(64)))

    assert [answer.split()[-1] for answer in answers] == [f"{n}\u201d." for n in range(64)]
    assert sandbox.stats()["completed"] == 64


def test_equal_providers_share_a_model_and_others_do_not(sandbox: SandboxServer) -> None:
    assert model(sandbox) is model(sandbox)
    assert model(sandbox) is not model(sandbox, read_timeout=1)


def test_the_key_is_not_shown() -> None:
    provider = Provider("acme", "responses", "", "sk-secret", "m")

    assert "sk-secret" not in repr(provider)
