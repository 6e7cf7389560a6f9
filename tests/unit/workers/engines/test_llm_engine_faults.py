"""The engine against the real sandbox process: what it raises when the provider fails."""

from __future__ import annotations

import time

import pytest

from pipelines.core.errors import ProviderRefused, ProviderUnavailable, RateLimited, TurnpikeError
from tests.sandbox_server import SandboxServer, sandbox_server
from tests.unit.workers.engines.llm_sandbox import (
    NOTHING,
    PIECES,
    Protocol,
    ask,
    both,
    model,
    text,
    until_broken,
)

pytestmark = pytest.mark.enable_socket


@both
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("400", ProviderRefused),
        ("401", ProviderRefused),
        ("403", ProviderRefused),
        ("404", ProviderRefused),
        ("408", ProviderUnavailable),
        ("409", ProviderUnavailable),
        ("429", RateLimited),
        ("500", ProviderUnavailable),
        ("503", ProviderUnavailable),
        ("insufficient_quota", ProviderRefused),
    ],
)
def test_an_error_answer_is_raised_as_ours_and_tried_once(
    sandbox: SandboxServer, protocol: Protocol, error: str, kind: type[TurnpikeError]
) -> None:
    events, raised = until_broken(model(sandbox, protocol).stream(ask(f"error={error}")))

    assert events == []
    assert type(raised) is kind
    assert "sk-secret" not in str(raised)
    assert "lease" not in str(raised)
    assert sandbox.stats()["requests"] == 1


@both
@pytest.mark.parametrize("error", ["429", "503"])
def test_the_pause_asked_for_comes_along(
    sandbox: SandboxServer, protocol: Protocol, error: str
) -> None:
    prompt = ask(f"error={error} retry_after=3")

    _, raised = until_broken(model(sandbox, protocol).stream(prompt))

    assert isinstance(raised, RateLimited | ProviderUnavailable)
    assert raised.retry_after == 3.0


@both
def test_a_refused_key_is_named_by_its_provider(sandbox: SandboxServer, protocol: Protocol) -> None:
    _, raised = until_broken(model(sandbox, protocol).stream(ask("error=401")))

    assert raised.detail == "The provider sandbox refuses its API key (HTTP 401)."


@both
def test_an_unknown_model_is_refused(sandbox: SandboxServer, protocol: Protocol) -> None:
    _, raised = until_broken(model(sandbox, protocol).stream(ask(model="gpt-none")))

    assert raised.detail == (
        "The provider sandbox does not know the model that was asked for: choose another."
    )


@both
def test_a_fault_that_passes_is_over_at_the_next_attempt(
    sandbox: SandboxServer, protocol: Protocol
) -> None:
    prompt = ask("error=500 times=1")

    _, raised = until_broken(model(sandbox, protocol).stream(prompt))
    answer = text(model(sandbox, protocol).stream(prompt))

    assert type(raised) is ProviderUnavailable
    assert answer == NOTHING


@both
def test_a_line_cut_in_mid_answer_is_transient(sandbox: SandboxServer, protocol: Protocol) -> None:
    events, raised = until_broken(model(sandbox, protocol).stream(ask("disconnect_after=5")))

    assert text(events) == " ".join(NOTHING.split()[:5])
    assert type(raised) is ProviderUnavailable
    assert raised.detail == "The provider sandbox could not be reached or cut the line."


@both
def test_a_silent_line_is_given_up_after_the_read_timeout(
    sandbox: SandboxServer, protocol: Protocol
) -> None:
    impatient = model(sandbox, protocol, read_timeout=0.2)
    begin = time.monotonic()

    events, raised = until_broken(impatient.stream(ask("hang_after=3")))

    assert text(events) == "This is the"
    assert raised.detail == "The provider sandbox did not answer in time."
    assert type(raised) is ProviderUnavailable
    assert time.monotonic() - begin < 2


@both
def test_an_endless_answer_is_given_up_after_the_total_timeout(
    sandbox: SandboxServer, protocol: Protocol
) -> None:
    impatient = model(sandbox, protocol, total_timeout=0.3)

    events, raised = until_broken(impatient.stream(ask("delta=0.05")))

    assert 1 <= len(text(events).split()) < PIECES
    assert raised.detail == "The provider sandbox did not finish within 0.3 seconds."
    assert type(raised) is ProviderUnavailable


@both
def test_a_provider_that_is_not_there_is_transient(protocol: Protocol) -> None:
    with sandbox_server() as gone:
        away = model(gone, protocol)

    _, raised = until_broken(away.stream(ask()))

    assert type(raised) is ProviderUnavailable


@both
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", ProviderUnavailable),
        ("rate_limit_exceeded", RateLimited),
        ("invalid_prompt", ProviderRefused),
    ],
)
def test_a_failure_in_mid_answer_is_sorted_by_its_code(
    sandbox: SandboxServer, protocol: Protocol, code: str, kind: type[TurnpikeError]
) -> None:
    prompt = ask(f"fail_after=2 fail_code={code}")

    events, raised = until_broken(model(sandbox, protocol).stream(prompt))

    assert text(events) == "This is"
    assert type(raised) is kind
