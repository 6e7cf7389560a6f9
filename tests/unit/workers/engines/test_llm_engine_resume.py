"""The engine against the real sandbox process: how an attempt takes up an earlier response."""

from __future__ import annotations

import pytest

from pipelines.core.errors import ProviderRefused, ProviderUnavailable
from tests.sandbox_server import SandboxServer
from tests.unit.workers.engines.llm_sandbox import NOTHING, PIECES, ask, model, text, until_broken
from workers.engines.llm import Delta, Finished, Started, Usage

pytestmark = pytest.mark.enable_socket


def test_an_attempt_resumes_where_the_last_one_was_cut(sandbox: SandboxServer) -> None:
    llm = model(sandbox)
    prompt = ask("disconnect_after=5 delta=0.01", metadata={"job_id": "job-1"})
    events, _ = until_broken(llm.stream(prompt))
    first, last = events[0], events[-1]
    assert isinstance(first, Started)
    assert isinstance(last, Delta)

    rest = list(llm.stream(prompt, resume=first.response_id, starting_after=last.sequence_number))

    assert rest[0] == first
    assert text(events) + text(rest) == NOTHING
    assert rest[-1] == Finished(Usage(7, PIECES), "stop", "sandbox-1")
    stats = sandbox.stats()
    assert stats["jobs"] == {"job-1": 1}
    assert (stats["started"], stats["completed"], stats["resumed"]) == (1, 1, 1)


def test_resuming_without_a_number_tells_the_whole_text_again(sandbox: SandboxServer) -> None:
    llm = model(sandbox)
    first, *_ = llm.stream(ask())
    assert isinstance(first, Started)

    again = list(llm.stream(ask(), resume=first.response_id))

    assert again[0] == first
    assert text(again) == NOTHING
    assert sandbox.stats()["started"] == 1


def test_a_response_that_is_gone_is_generated_afresh(sandbox: SandboxServer) -> None:
    first, *rest = model(sandbox).stream(ask(), resume="resp_gone", starting_after=7)

    assert isinstance(first, Started)
    assert first.response_id != "resp_gone"
    assert text(rest) == NOTHING


def test_a_response_that_had_failed_is_generated_afresh(sandbox: SandboxServer) -> None:
    llm = model(sandbox)
    prompt = ask("fail_after=2 times=1")
    events, _ = until_broken(llm.stream(prompt))
    failed = events[0]
    assert isinstance(failed, Started)

    again = list(llm.stream(prompt, resume=failed.response_id))

    starts = [event.response_id for event in again if isinstance(event, Started)]
    assert starts[0] == failed.response_id
    assert len(set(starts)) == 2
    assert text(again) == f"This is{NOTHING}"


def test_a_response_that_is_stuck_in_the_queue_is_replaced(sandbox: SandboxServer) -> None:
    llm = model(sandbox, read_timeout=0.5)
    prompt = ask("stuck=1 times=1")
    events, raised = until_broken(llm.stream(prompt))
    stuck = events[0]
    assert isinstance(stuck, Started)
    assert type(raised) is ProviderUnavailable

    again = list(llm.stream(prompt, resume=stuck.response_id, starting_after=0))

    assert text(again) == NOTHING
    assert sandbox.stats()["cancelled"] == 1


def test_a_response_refused_for_good_stays_refused(sandbox: SandboxServer) -> None:
    llm = model(sandbox)
    prompt = ask("fail_after=2 fail_code=invalid_prompt times=1")
    events, _ = until_broken(llm.stream(prompt))
    assert isinstance(events[0], Started)

    _, raised = until_broken(llm.stream(prompt, resume=events[0].response_id))

    assert type(raised) is ProviderRefused
