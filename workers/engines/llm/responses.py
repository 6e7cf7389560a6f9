"""OpenAI's Responses API in background mode: a generation survives us and is taken up again."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import openai

from pipelines.core.errors import (
    JobCancelled,
    ProviderUnavailable,
    TransientError,
    TurnpikeError,
)
from workers.engines.llm.cutting import Cutter
from workers.engines.llm.errors import cut_off, from_event, provider_errors
from workers.engines.llm.line import Call, Line, Payload, Stream, given, request_headers
from workers.engines.llm.prompts import compose
from workers.engines.llm.types import (
    Delta,
    Event,
    Finished,
    FinishReason,
    Prompt,
    Provider,
    Started,
)
from workers.engines.llm.usage import counted, estimated

_TEXT = {"response.output_text.delta", "response.refusal.delta"}
_WHOLE = {"response.completed", "response.incomplete"}
_BROKEN = {"response.failed", "error"}
# Telling the provider to stop, or asking how a response fares, must not take long.
_SHORT_SECONDS = 10.0


class _SpentError(Exception):
    """The stored response will never give an answer any more: generate afresh."""


class ResponsesModel:
    """A `LanguageModel` whose generations live at the provider, each under an id."""

    resumes = True

    def __init__(self, provider: Provider) -> None:
        """Prepare for one provider; nothing is sent yet."""
        self._provider = provider
        self._line = Line(provider)
        self._api = self._line.client.responses.with_streaming_response

    def stream(
        self,
        prompt: Prompt,
        *,
        resume: str | None = None,
        starting_after: int | None = None,
        cutter: Cutter | None = None,
    ) -> Generator[Event, None, None]:
        """Generate or resume an answer; see `LanguageModel.stream`."""
        cutter = cutter or Cutter()
        if resume:
            try:
                yield from self._resumed(prompt, resume, starting_after, cutter)
            except _SpentError:
                pass
            else:
                return
        yield from self._read(prompt, self._create(prompt), cutter)

    def cancel(self, response_id: str) -> None:
        """Stop a response here and at the provider; see `LanguageModel.cancel`."""
        self._line.cut(response_id)
        with provider_errors(self._provider.name):
            try:
                with self._api.cancel(response_id, timeout=_SHORT_SECONDS) as answer:
                    answer.read()
            except (openai.BadRequestError, openai.NotFoundError, openai.ConflictError):
                return  # it has ended by itself, or is gone

    def _create(self, prompt: Prompt) -> Call:
        instructions, turns = compose(prompt)
        said = [{"role": turn.role, "content": turn.content} for turn in turns]
        return lambda: self._api.create(
            model=prompt.model or self._provider.model,
            instructions=instructions or openai.omit,
            # Not as the argument `input`: of that the package holds every message against some
            # thirty kinds of items, which takes longer the longer the conversation is.
            extra_body={"input": said},
            max_output_tokens=given(prompt.max_output_tokens),
            temperature=given(prompt.temperature),
            top_p=given(prompt.top_p),
            metadata=dict(prompt.metadata) or openai.omit,
            background=True,
            stream=True,
            store=True,
            extra_headers=request_headers(prompt),
        )

    def _retrieve(self, response_id: str, starting_after: int | None) -> Call:
        @contextmanager
        def call() -> Iterator[openai.APIResponse[Any]]:
            after = openai.omit if starting_after is None else starting_after
            try:
                with self._api.retrieve(response_id, stream=True, starting_after=after) as response:
                    yield response
            except (openai.BadRequestError, openai.NotFoundError) as error:
                raise _SpentError from error  # kept no longer, or no longer as a stream

        return call

    def _resumed(
        self, prompt: Prompt, response_id: str, starting_after: int | None, cutter: Cutter
    ) -> Iterator[Event]:
        """Follow a stored response.

        Raises:
            _SpentError: It is gone, has failed, or was never begun.
        """
        try:
            call = self._retrieve(response_id, starting_after)
            yield from self._read(prompt, call, cutter, response_id)
        except ProviderUnavailable as error:
            # A client that vanishes at the very first event can leave a response queued for ever
            # at OpenAI; nothing was generated, so that a new one is not paid for twice.
            if self._status(response_id) != "queued":
                raise
            self.cancel(response_id)
            raise _SpentError from error

    def _read(
        self, prompt: Prompt, call: Call, cutter: Cutter, resumed: str = ""
    ) -> Iterator[Event]:
        """Send a request and follow its stream; `resumed` is the id when it is known already."""
        response_id, size = resumed, 0
        with self._line.open(call, cutter) as stream:
            if resumed:
                yield self._started(stream, resumed, prompt.model or self._provider.model)
            for event in stream.events():
                kind = event.get("type")
                if kind in _TEXT:
                    delta = _delta(event)
                    size += len(delta.text.encode())
                    yield delta
                    continue
                body = _mapping(event.get("response"))
                if body and not response_id:
                    response_id = str(body.get("id"))
                    yield self._started(stream, response_id, str(body.get("model")))
                if kind in _WHOLE:
                    self._line.release(stream)
                    yield _finished(prompt, body, size)
                    stream.drain()
                    return
                self._check(event, body, stored=bool(resumed))
            raise self._ended(stream, response_id)

    def _started(self, stream: Stream, response_id: str, model: str) -> Started:
        self._line.hold(response_id, stream)
        return Started(response_id, model)

    def _check(self, event: Payload, body: Payload, *, stored: bool) -> None:
        """Raise what a failed or cancelled response means; else do nothing."""
        if body.get("status") == "cancelled":
            raise JobCancelled
        if event.get("type") not in _BROKEN:
            return
        # `response.failed` has its error inside the response, `error` is one itself (and its
        # `type` is no error code).
        error = body.get("error") or event.get("error") or {"code": event.get("code")}
        failure = from_event(self._provider.name, error)
        if stored and isinstance(failure, TransientError):
            raise _SpentError from failure  # it would be told again at every attempt
        raise failure

    def _ended(self, stream: Stream, response_id: str) -> TurnpikeError:
        """Say why a stream ended before its answer did: OpenAI has no event for a cancellation."""
        if stream.was_cut or (response_id and self._status(response_id) == "cancelled"):
            return JobCancelled()
        return cut_off(self._provider.name)

    def _status(self, response_id: str) -> str:
        """Ask how a response fares; empty when nobody can tell."""
        try:
            with (
                provider_errors(self._provider.name),
                self._api.retrieve(response_id, timeout=_SHORT_SECONDS) as answer,
            ):
                return str(_mapping(answer.json()).get("status") or "")
        except (TurnpikeError, ValueError):
            return ""


def _delta(event: Payload) -> Delta:
    number = event.get("sequence_number")
    return Delta(str(event.get("delta") or ""), number if isinstance(number, int) else None)


def _finished(prompt: Prompt, body: Payload, size: int) -> Finished:
    usage = counted(body.get("usage"), ("input_tokens", "output_tokens"))
    return Finished(usage or estimated(prompt, size), _finish_reason(body), str(body.get("model")))


def _finish_reason(body: Payload) -> FinishReason:
    if body.get("status") != "incomplete":
        return "stop"
    reason = _mapping(body.get("incomplete_details")).get("reason")
    return "content_filter" if reason == "content_filter" else "length"


def _mapping(value: object) -> Payload:
    """Take a JSON object as it is, and anything else for an empty one."""
    return value if isinstance(value, dict) else {}
