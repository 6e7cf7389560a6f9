"""Reading a request of either protocol into one shape, or refusing it as OpenAI would."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from deploy.local.sandbox.answers import count_words, reply, without_reference
from deploy.local.sandbox.directives import BadDirective, Directives, parse, split
from deploy.local.sandbox.shapes import ApiError

DEFAULT_MODEL = "sandbox-1"


@dataclass(frozen=True)
class Order:
    """What a client wants generated.

    Attributes:
        model: A model name that the sandbox accepts.
        instructions: The system text, which a response repeats; None when there was none.
        text: The whole answer that the sandbox is going to give.
        input_tokens: Words of everything that was sent.
        max_output_tokens: The client's limit, in pieces.
        metadata: As sent.
        job_id: Whose generation this is in the statistics; empty when nobody said.
        stream: Whether the client wants events.
        background: Whether the generation outlives its connection.
        include_usage: Whether a chat stream ends with a usage chunk.
        directives: The faults and paces ordered.
        fingerprint: Tells this request from another one of other text.
    """

    model: str
    instructions: str | None
    text: str
    input_tokens: int
    max_output_tokens: int | None
    metadata: dict[str, str]
    job_id: str
    stream: bool
    background: bool
    include_usage: bool
    directives: Directives
    fingerprint: str


async def read_order(request: Request, *, latency: float) -> Order:
    """Read the body of `POST /v1/responses` or `POST /v1/chat/completions`.

    Raises:
        ApiError: The body is no JSON object, lacks something, or names an unknown model.
    """
    body = await _json_object(request)
    model = require_model(body.get("model"))
    messages = _messages(body)
    asked = next((text for role, text in reversed(messages) if role == "user"), "")
    question, ordered = split(without_reference(asked))
    ordered = f"{request.headers.get('x-sandbox', '')} {ordered}".strip()
    metadata = {str(key): str(value) for key, value in (body.get("metadata") or {}).items()}
    instructions = body.get("instructions")
    everything = "\n".join([instructions or "", *(text for _, text in messages)])
    limit = body.get("max_output_tokens", body.get("max_completion_tokens", body.get("max_tokens")))
    return Order(
        model=model,
        instructions=instructions,
        text=reply(question, everything),
        input_tokens=count_words(everything),
        max_output_tokens=limit if isinstance(limit, int) else None,
        metadata=metadata,
        job_id=metadata.get("job_id") or request.headers.get("x-client-request-id", ""),
        stream=bool(body.get("stream")),
        background=bool(body.get("background")),
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        directives=read_directives(ordered, latency=latency),
        fingerprint=hashlib.sha256(f"{ordered}\0{everything}".encode()).hexdigest(),
    )


def read_directives(text: str, *, latency: float = 0.0) -> Directives:
    """Parse directives; a bad one is the client's mistake.

    Raises:
        ApiError: 400, saying which.
    """
    try:
        return parse(text, latency=latency)
    except BadDirective as error:
        raise ApiError(400, str(error), code="invalid_value") from None


def require_model(name: object) -> str:
    """Accept every model whose name begins with `sandbox`.

    Raises:
        ApiError: 404 `model_not_found`, or 400 when no model is named.
    """
    if not isinstance(name, str) or not name:
        raise missing("model")
    if not name.startswith("sandbox"):
        message = f"The model '{name}' does not exist or you do not have access to it."
        raise ApiError(404, message, code="model_not_found", param="model")
    return name


def missing(parameter: str) -> ApiError:
    """Say that a parameter is missing."""
    message = f"Missing required parameter: '{parameter}'."
    return ApiError(400, message, code="missing_required_parameter", param=parameter)


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, "The body of your request is no JSON object.")
    return body


def _messages(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Give role and text of each message, from `input` or from `messages`."""
    key = "messages" if "messages" in body else "input"
    items = body.get(key)
    if isinstance(items, str) and items:
        return [("user", items)]
    if not isinstance(items, list) or not items:
        raise missing(key)
    return [
        (str(item.get("role", "")), _text(item.get("content")))
        for item in items
        if isinstance(item, Mapping)
    ]


def _text(content: object) -> str:
    """Join the text parts of a message's content."""
    if isinstance(content, str):
        return content
    parts: Iterable[object] = content if isinstance(content, list) else ()
    return "\n".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping))
