"""Which provider answers a turn, and whether now: a turn that must wait is put off, not held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog
from django.conf import settings

from pipelines.core.errors import Deferred, ProviderRefused, RateLimited
from workers import configured

if TYPE_CHECKING:
    from workers.base import Run
    from workers.engines.governor import Permit, Request, Wait
    from workers.engines.llm import LanguageModel, Prompt

log = structlog.get_logger(__name__)

_SENTENCES = {
    "rate_limited": "The provider {} may not be asked more often.",
    "at_capacity": "The provider {} is at work on as many turns as it may be.",
    "circuit_open": "The provider {} fails too often; it is let be for a while.",
}


@dataclass
class Route:
    """The way of one attempt to one provider.

    Attributes:
        provider: Its name in the table.
        model: How it is spoken to.
        prompt: What it is asked, by the name of one of its own models.
        resume: The response that an earlier attempt began there; empty when there is none.
        permit: The right to ask.
        input_tokens: The estimated size of the prompt.
        tokens: What was used, as far as is known.
        requests: How many generations were asked for.
    """

    provider: str
    model: LanguageModel
    prompt: Prompt
    resume: str
    permit: Permit
    input_tokens: int
    tokens: int = 0
    requests: int = 1

    def leave(self, error: BaseException | None) -> None:
        """Give the permit back, and tell the governor how it went."""
        from workers.engines.governor import outcome_of

        pause = error.retry_after if isinstance(error, RateLimited) else None
        self.permit.leave(
            outcome_of(error), requests=self.requests, tokens=self.tokens, pause=pause or 0.0
        )


@contextmanager
def routed(run: Run, prompt: Prompt) -> Iterator[Route]:
    """Give the way to the first allowed provider whose turn it is, for as long as the body runs.

    Raises:
        Deferred: Not now; the error says why and for how long.
        ProviderRefused: The provider that the turn asks for is not configured any more.
    """
    route = _enter(run, prompt)
    error: BaseException | None = None
    try:
        yield route
    except BaseException as raised:
        error = raised
        raise
    finally:
        route.leave(error)


def _enter(run: Run, prompt: Prompt) -> Route:
    from workers.engines import governor, llm

    input_tokens = llm.estimated(prompt, 0).input_tokens
    waits: list[tuple[str, Wait]] = []
    for name in _candidates(run):
        model, resume = configured.language_model(name), _begun(run, name)
        request = _request(run, name, input_tokens, is_resumed=bool(resume))
        answer = configured.governor().enter(configured.account(name), request)
        if not isinstance(answer, governor.Wait):
            own = run.input["model"] if name == run.input["provider"] else ""
            if waits:
                log.info("generation.failed_over", provider=name, instead_of=waits[0][0])
            return Route(name, model, replace(prompt, model=own), resume, answer, input_tokens)
        waits.append((name, answer))
        if answer.code != "circuit_open":
            raise _put_off(run, name, answer)
    raise _put_off(run, *min(waits, key=lambda row: row[1].seconds))


def _candidates(run: Run) -> list[str]:
    """List the providers that may answer, in the order in which they are tried."""
    first = run.input["provider"]
    if first not in settings.PROVIDERS:
        raise ProviderRefused(f"The provider {first} is not configured any more: choose another.")
    # A turn accepted before there was a failover did not say whether it is pinned.
    if run.input.get("pinned", True) or not settings.PROVIDER_FAILOVER:
        return [first]
    # Where a response was begun it is taken up, rather than paid for twice.
    return sorted(settings.PROVIDERS, key=lambda name: (not _begun(run, name), name != first))


def _begun(run: Run, provider: str) -> str:
    """Return the response that an earlier attempt began at a provider which keeps it."""
    noted = run.claim.progress
    is_here = noted.get("provider", run.input["provider"]) == provider
    if not is_here or not configured.language_model(provider).resumes:
        return ""
    return str(noted.get("response_id", ""))


def _request(run: Run, provider: str, input_tokens: int, *, is_resumed: bool) -> Request:
    from workers.engines import governor

    slot = run.claim.progress.get("slot", {})
    # The moment was reserved for the very next attempt: one that was killed may have used it.
    is_mine = slot.get("provider") == provider and slot.get("attempt") == run.claim.attempt
    return governor.Request(
        who=str(run.job_id),
        attempt=run.claim.attempt,
        tokens=input_tokens + settings.GOVERNOR_REPLY_TOKENS,
        slot=governor.Slot(provider, slot["at"]) if is_mine else None,
        is_resumed=is_resumed,
    )


def _put_off(run: Run, provider: str, wait: Wait) -> Deferred:
    """Note the moment that was reserved, so that the next attempt need not pay again."""
    if wait.slot is not None:
        slot = {"provider": provider, "at": wait.slot.at, "attempt": run.claim.attempt + 1}
        run.progress(slot=slot)
    return Deferred(
        _SENTENCES[wait.code].format(provider), code=wait.code, retry_after=wait.seconds
    )
