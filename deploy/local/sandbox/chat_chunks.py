"""The chat completions protocol: a generation as one object or as chunks."""

from __future__ import annotations

from deploy.local.sandbox.generation import Generation
from deploy.local.sandbox.shapes import Json

DONE = b"data: [DONE]\n\n"


def completion(generation: Generation) -> Json:
    """Write a finished generation as one object."""
    message = {"role": "assistant", "content": generation.text(), "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": _finish_reason(generation),
    }
    body = {**_head(generation, "chat.completion"), "choices": [choice]}
    return body if generation.directives.no_usage else {**body, "usage": usage(generation)}


def opening(generation: Generation) -> Json:
    """Make the first chunk, which names the role."""
    return _chunk(generation, {"role": "assistant", "content": "", "refusal": None})


def piece(generation: Generation, text: str) -> Json:
    """Make the chunk of one piece of text."""
    return _chunk(generation, {"content": text})


def closing(generation: Generation) -> list[Json]:
    """Make the chunks after the text: why it ended, and the usage if the client asked for it."""
    if generation.state == "failed":
        return [{"error": {"message": "Failed as told.", "code": generation.outcome.reason}}]
    chunks = [_chunk(generation, {}, _finish_reason(generation))]
    if generation.order.include_usage and not generation.directives.no_usage:
        head = _head(generation, "chat.completion.chunk")
        chunks.append({**head, "choices": [], "usage": usage(generation)})
    return chunks


def usage(generation: Generation) -> Json:
    """Count words as tokens."""
    counted = generation.order.input_tokens
    return {
        "prompt_tokens": counted,
        "completion_tokens": generation.sent,
        "total_tokens": counted + generation.sent,
    }


def _head(generation: Generation, kind: str) -> Json:
    return {
        "id": generation.id.replace("resp_", "chatcmpl-"),
        "object": kind,
        "created": generation.created_at,
        "model": generation.order.model,
    }


def _chunk(generation: Generation, delta: Json, finish_reason: str | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**_head(generation, "chat.completion.chunk"), "choices": [choice]}


def _finish_reason(generation: Generation) -> str:
    if generation.state != "incomplete":
        return "stop"
    return "content_filter" if generation.outcome.reason == "content_filter" else "length"
