"""Chat completions, which every provider speaks: a stream that lives as long as its connection."""

from __future__ import annotations

from collections.abc import Generator
from uuid import uuid4

from openai.types.chat import ChatCompletionMessageParam

from workers.engines.llm.cutting import Cutter
from workers.engines.llm.errors import cut_off, from_event
from workers.engines.llm.line import Call, Line, Payload, given, request_headers
from workers.engines.llm.prompts import compose
from workers.engines.llm.types import (
    Delta,
    Event,
    Finished,
    FinishReason,
    Prompt,
    Provider,
    Started,
    Turn,
    Usage,
)
from workers.engines.llm.usage import counted, estimated

_FINISH: dict[str, FinishReason] = {"length": "length", "content_filter": "content_filter"}


class ChatCompletionsModel:
    """A `LanguageModel` that can neither resume nor be asked later: each attempt begins anew."""

    resumes = False

    def __init__(self, provider: Provider) -> None:
        """Prepare for one provider; nothing is sent yet."""
        self._provider = provider
        self._line = Line(provider)

    def stream(
        self,
        prompt: Prompt,
        *,
        resume: str | None = None,
        starting_after: int | None = None,
        cutter: Cutter | None = None,
    ) -> Generator[Event, None, None]:
        """Generate an answer; see `LanguageModel.stream`."""
        model = prompt.model or self._provider.model
        reading = _Reading(prompt, model)
        with self._line.open(self._create(prompt, model), cutter) as stream:
            # The id is ours: some servers send none, others repeat theirs, and `cancel` needs one.
            response_id = f"chat_{uuid4().hex}"
            self._line.hold(response_id, stream)
            yield Started(response_id, model)
            for chunk in stream.events():
                if chunk.get("error"):
                    raise from_event(self._provider.name, chunk["error"])
                text = reading.take(chunk)
                if text:
                    yield Delta(text, None)
            if stream.was_cut or not (reading.ended or stream.saw_done):
                raise cut_off(self._provider.name)
            self._line.release(stream)
            yield reading.finished()
            stream.drain()

    def cancel(self, response_id: str) -> None:
        """End the response's connection, on which providers stop; see `LanguageModel.cancel`.

        A response that another process reads is out of reach from here.
        """
        self._line.cut(response_id)

    def _create(self, prompt: Prompt, model: str) -> Call:
        instructions, turns = compose(prompt)
        if instructions:
            turns = (Turn("system", instructions), *turns)
        return lambda: self._line.client.chat.completions.with_streaming_response.create(
            model=model,
            messages=[_message(turn) for turn in turns],
            # The older name, since compatible servers know it and many know only it.
            max_tokens=given(prompt.max_output_tokens),
            temperature=given(prompt.temperature),
            top_p=given(prompt.top_p),
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=request_headers(prompt),
        )


class _Reading:
    """What the chunks of one stream have told so far."""

    def __init__(self, prompt: Prompt, model: str) -> None:
        self.ended = False
        self._prompt = prompt
        self._model = model
        self._size = 0
        self._usage: Usage | None = None
        self._finish_reason: FinishReason = "stop"

    def take(self, chunk: Payload) -> str:
        """Take in one chunk and give its text, often empty."""
        self._model = str(chunk.get("model") or self._model)
        # Some servers count in every chunk, OpenAI in one without choices; the last word counts.
        usage = counted(chunk.get("usage"), ("prompt_tokens", "completion_tokens"))
        self._usage = usage or self._usage
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        return self._take_choice(choice) if isinstance(choice, dict) else ""

    def finished(self) -> Finished:
        """Sum up a stream that has ended well."""
        usage = self._usage or estimated(self._prompt, self._size)
        return Finished(usage, self._finish_reason, self._model)

    def _take_choice(self, choice: Payload) -> str:
        reason = choice.get("finish_reason")
        if reason:
            self.ended = True
            self._finish_reason = _FINISH.get(str(reason), "stop")
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return ""
        text = str(delta.get("content") or delta.get("refusal") or "")
        self._size += len(text.encode())
        return text


def _message(turn: Turn) -> ChatCompletionMessageParam:
    """Give a turn the package's type for its role."""
    if turn.role == "assistant":
        return {"role": "assistant", "content": turn.content}
    if turn.role == "system":
        return {"role": "system", "content": turn.content}
    return {"role": "user", "content": turn.content}
