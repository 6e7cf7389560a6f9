"""`/v1/chat/completions`: an answer, whole or as it is written, over a response of our own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from rest_framework.request import Request

from api.auth import caller
from api.contracts.openai.errors import Malformed, error_body, failure
from api.contracts.openai.reading import Parameters, metadata_in, model_in, provider_of, said_in
from api.contracts.openai.schema import described
from api.contracts.openai.shapes import Standing, standing_of
from api.contracts.openai.views import Asking, awaited, key_of
from api.following import Hub, hub
from api.polling import rendered
from api.streams import KEEP_ALIVE, event_stream, news_of
from pipelines.jobs.log import RESTARTED, START
from pipelines.responses import services
from pipelines.responses.models import Response
from pipelines.responses.services import Asked

_KNOWN = frozenset({
    "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "max_completion_tokens", "max_tokens", "messages", "metadata", "modalities", "model",
    "moderation", "n", "parallel_tool_calls", "prediction", "presence_penalty",
    "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning_effort",
    "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream",
    "stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user",
    "verbosity", "web_search_options",
})  # fmt: skip
_DONE = b"data: [DONE]\n\n"


class Completions(Asking):
    """Chat completions."""

    @described("completions_create", streams=True)
    def post(self, request: Request) -> HttpResponseBase:
        """Answer a list of messages."""
        given = Parameters(dict(request.data), _KNOWN)
        asked = _asked(given, has_retrieval=key_of(request).has_retrieval)
        is_stream, has_usage = given.take("stream", bool, False), _has_usage(given)
        given.close()
        if is_stream:
            Hub.check_room()
        accept = partial(services.response_accept, owner=caller(request), asked=asked)
        response = self.accepted(request, accept, Response)
        if is_stream:
            return event_stream(_chunks(response, has_usage=has_usage))
        return awaited(response, _whole)


def _asked(given: Parameters, *, has_retrieval: bool) -> Asked:
    model = model_in(given)
    provider, provider_model = provider_of(model)
    limits = [given.count(name) for name in ("max_completion_tokens", "max_tokens")]
    options = {
        "max_output_tokens": limits[0] or limits[1],
        "temperature": given.number("temperature", 0, 2),
        "top_p": given.number("top_p", 0, 1),
        "user": given.find("user", str),
    }
    given.neutral("n", 1)
    given.neutral("frequency_penalty", 0)
    given.neutral("presence_penalty", 0)
    given.neutral("logprobs", False)
    given.neutral("response_format", {"type": "text"})
    given.neutral("service_tier", "auto", "default")
    given.neutral("tools", [])
    is_free = given.choice("tool_choice", "auto", "none") == "auto"
    messages = given.take("messages", list, [])
    if not messages:
        raise Malformed("'messages' holds some message.", field="messages")
    return Asked(
        said=said_in(messages, "messages"),
        model=model,
        provider=provider,
        provider_model=provider_model,
        options={name: value for name, value in options.items() if value is not None},
        has_retrieval=is_free and has_retrieval,
        metadata=metadata_in(given),
        is_stored=given.take("store", bool, False),
    )


def _has_usage(given: Parameters) -> bool:
    options = Parameters(given.take("stream_options", dict, {}), frozenset({"include_obfuscation"}))
    has_usage = options.take("include_usage", bool, False)
    options.neutral("include_obfuscation", False)
    options.close()
    return has_usage


def _shell(response: Response, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{response.pk.hex}",
        "object": kind,
        "created": int(response.created_at.timestamp()),
        "model": response.model,
    }


def _whole(response: Response) -> HttpResponse:
    """Answer with the whole completion, or with why there is none."""
    standing = standing_of(response)
    if standing.output is None:
        return rendered(*failure(standing.state, standing.error))
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": standing.output["text"], "refusal": None},
        "finish_reason": standing.output["finish_reason"],
        "logprobs": None,
    }
    body = {
        **_shell(response, "chat.completion"),
        "choices": [choice],
        "usage": _usage(standing.output),
    }
    return rendered(body, 200)


def _usage(output: Mapping[str, Any]) -> dict[str, int]:
    read, written = output.get("input_tokens") or 0, output.get("output_tokens") or 0
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
    }


async def _chunks(response: Response, *, has_usage: bool) -> AsyncIterator[bytes]:
    """Yield an answer as it is written.

    A chunk cannot be taken back: where the text begins afresh after some of it was sent, the
    stream ends with an error, and the client asks again.
    """
    assert response.job_id is not None
    shell = _shell(response, "chat.completion.chunk")
    yield _chunk(shell, {"role": "assistant", "content": ""})
    has_sent = False
    async with hub().follow(response.job_id) as feed:
        async for batch in news_of(feed, START):
            if not batch:
                yield KEEP_ALIVE
            for entry in batch:
                line = entry.line
                if line is None:
                    has_sent = True
                    yield _chunk(shell, {"content": entry.delta})
                elif line.kind == RESTARTED and has_sent:
                    message = "The answer began afresh."
                    yield _data(error_body("server_error", "restarted", message, None))
                    return
                elif line.ends_job and feed.log is not None:
                    standing = Standing(feed.log.state, feed.log.output, feed.log.error)
                    for part in _last(shell, standing, has_usage=has_usage):
                        yield part


def _last(shell: Mapping[str, Any], standing: Standing, *, has_usage: bool) -> list[bytes]:
    if standing.output is None:
        return [_data(failure(standing.state, standing.error)[0])]
    parts = [_chunk(shell, {}, standing.output["finish_reason"])]
    if has_usage:
        parts.append(_data({**shell, "choices": [], "usage": _usage(standing.output)}))
    return [*parts, _DONE]


def _chunk(shell: Mapping[str, Any], delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return _data({**shell, "choices": [choice]})


def _data(body: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()
