"""The engine against the real sandbox process: what cancelling and leaving a stream end."""

from __future__ import annotations

import threading
import time

import pytest

from pipelines.core.errors import JobCancelled, ProviderUnavailable
from tests.sandbox_server import SandboxServer, sandbox_server
from tests.unit.workers.engines.llm_sandbox import Protocol, ask, both, model, text, until_broken
from workers.engines.llm import Cutter, Finished, Started

pytestmark = pytest.mark.enable_socket


@both
def test_cancelling_from_another_thread_ends_the_stream_at_once(
    sandbox: SandboxServer, protocol: Protocol
) -> None:
    llm = model(sandbox, protocol)
    stream = llm.stream(ask("hang_after=3 delta=0.05"))
    first = next(stream)
    assert isinstance(first, Started)
    timer = threading.Timer(0.3, llm.cancel, [first.response_id])
    begin = time.monotonic()
    timer.start()

    events, raised = until_broken(stream)
    timer.join()

    assert text(events) == "This is the"
    assert type(raised) is JobCancelled
    assert time.monotonic() - begin < 1.3
    if protocol == "responses":
        assert sandbox.stats()["cancelled"] == 1


def test_a_cancellation_by_someone_else_is_noticed_at_the_end_of_the_stream(
    sandbox: SandboxServer,
) -> None:
    here, elsewhere = model(sandbox), model(sandbox, read_timeout=50)
    stream = here.stream(ask("delta=0.05"))
    first = next(stream)
    assert isinstance(first, Started)

    elsewhere.cancel(first.response_id)
    _, raised = until_broken(stream)

    assert here is not elsewhere
    assert type(raised) is JobCancelled


def test_a_cancelled_response_is_not_resumed(sandbox: SandboxServer) -> None:
    llm = model(sandbox)
    stream = llm.stream(ask("delta=0.05"))
    first = next(stream)
    assert isinstance(first, Started)
    llm.cancel(first.response_id)

    _, raised = until_broken(llm.stream(ask(), resume=first.response_id))

    assert type(raised) is JobCancelled
    assert sandbox.stats()["started"] == 1


@both
def test_cancelling_what_has_ended_or_is_unknown_does_nothing(
    sandbox: SandboxServer, protocol: Protocol
) -> None:
    llm = model(sandbox, protocol)
    first, *_ = llm.stream(ask())
    assert isinstance(first, Started)

    llm.cancel(first.response_id)
    llm.cancel("resp_unknown")

    assert sandbox.stats()["completed"] == 1


def test_cancelling_at_a_provider_that_is_gone_is_transient() -> None:
    with sandbox_server() as gone:
        away = model(gone)

    with pytest.raises(ProviderUnavailable):
        away.cancel("resp_1")


def test_a_reader_that_leaves_stops_a_chat_but_not_a_background_response(
    sandbox: SandboxServer,
) -> None:
    for protocol in ("responses", "chat_completions"):
        stream = model(sandbox, protocol).stream(ask("delta=0.02"))
        next(stream)
        stream.close()

    deadline = time.monotonic() + 5
    while sandbox.stats().get("completed", 0) + sandbox.stats().get("disconnected", 0) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stats = sandbox.stats()
    assert (stats["completed"], stats["disconnected"]) == (1, 1)


@both
@pytest.mark.parametrize("warm_up", [False, True])
def test_cutting_ends_the_wait_for_an_answer_that_never_begins(
    sandbox: SandboxServer, protocol: Protocol, warm_up: bool
) -> None:
    llm, cutter = model(sandbox, protocol, read_timeout=49.0 + warm_up), Cutter()
    if warm_up:  # so that the connection is one that has been used before
        assert isinstance(list(llm.stream(ask()))[-1], Finished)
    timer = threading.Timer(0.5, cutter.cut)
    begin = time.monotonic()
    timer.start()

    events, raised = until_broken(llm.stream(ask("error=500 latency=40"), cutter=cutter))
    timer.join()

    assert (events, type(raised)) == ([], JobCancelled)
    assert time.monotonic() - begin < 10


@both
def test_what_was_cut_before_it_began_is_never_sent(
    sandbox: SandboxServer, protocol: Protocol
) -> None:
    cutter = Cutter()
    cutter.cut()

    events, raised = until_broken(model(sandbox, protocol).stream(ask(), cutter=cutter))

    assert (events, type(raised)) == ([], JobCancelled)
    assert "requests" not in sandbox.stats()


def test_cutting_tells_the_provider_nothing(sandbox: SandboxServer) -> None:
    llm, cutter = model(sandbox), Cutter()
    stream = llm.stream(ask("delta=0.05"), cutter=cutter)
    first = next(stream)
    assert isinstance(first, Started)

    cutter.cut()
    _, raised = until_broken(stream)
    rest = list(llm.stream(ask(), resume=first.response_id))

    assert type(raised) is JobCancelled
    assert isinstance(rest[-1], Finished)
    assert (sandbox.stats()["started"], sandbox.stats().get("cancelled")) == (1, None)


def test_a_cut_that_comes_too_late_harms_nobody(sandbox: SandboxServer) -> None:
    llm, cutter = model(sandbox), Cutter()
    list(llm.stream(ask(), cutter=cutter))
    following = llm.stream(ask("delta=0.01"))
    next(following)

    cutter.cut()

    assert isinstance(list(following)[-1], Finished)
