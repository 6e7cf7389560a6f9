"""A response as OpenAI's clients see it, from what was asked and how its job stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.contracts.openai import ids
from api.shapes import error_of
from pipelines.chat.models import CITATION
from pipelines.jobs.states import JobState
from pipelines.responses.models import Response

_ENDED_EARLY = {"length": "max_output_tokens", "content_filter": "content_filter"}


@dataclass(frozen=True)
class Standing:
    """How a response stands.

    Attributes:
        state: Its job's.
        output: What the job left behind; None before it completed.
        error: Why it failed, as {code, detail}.
    """

    state: JobState
    output: Mapping[str, Any] | None = None
    error: Mapping[str, str] | None = None

    @property
    def incomplete_reason(self) -> str | None:
        """Why the text ended before its end, in OpenAI's word; None when it did not."""
        return _ENDED_EARLY.get(self.output["finish_reason"]) if self.output else None

    @property
    def status(self) -> str:
        """The state in OpenAI's word."""
        return "incomplete" if self.incomplete_reason else str(self.state)


def standing_of(response: Response) -> Standing:
    """Tell how a response stands that was read with its job; one that outlived it has ended."""
    job = response.job
    if job is None:
        output = {**response.answer, "text": response.reply} if response.answer else None
        return Standing(JobState.COMPLETED if output else JobState.CANCELLED, output)
    return Standing(JobState(job.state), job.output, error_of(job))


def response_body(response: Response, standing: Standing) -> dict[str, Any]:
    """Show a response."""
    options, output = response.options, standing.output
    reason = standing.incomplete_reason
    conversation = response.conversation_id and ids.shown(
        ids.CONVERSATION, response.conversation_id
    )
    previous = response.previous_id and ids.shown(ids.RESPONSE, response.previous_id)
    return {
        "id": response.public_id,
        "object": "response",
        "created_at": int(response.created_at.timestamp()),
        "status": standing.status,
        "background": response.is_background,
        "conversation": {"id": conversation} if conversation else None,
        "error": _error(standing.error),
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": response.instructions or None,
        "max_output_tokens": options.get("max_output_tokens"),
        "metadata": response.metadata,
        "model": response.model,
        "output": output_items(response, output) if output else [],
        "parallel_tool_calls": True,
        "previous_response_id": previous,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": response.is_stored,
        "temperature": options.get("temperature", 1.0),
        "text": {"format": {"type": "text"}},
        "tool_choice": options.get("tool_choice", "auto"),
        "tools": options.get("tools", []),
        "top_p": options.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": _usage(output) if output else None,
        "user": options.get("user"),
    }


def _error(error: Mapping[str, str] | None) -> dict[str, str] | None:
    if error is None:
        return None
    code = "rate_limit_exceeded" if error["code"] == "rate_limited" else "server_error"
    return {"code": code, "message": f"{error['code']}: {error['detail']}"}


def _usage(output: Mapping[str, Any]) -> dict[str, Any]:
    read, written = output.get("input_tokens") or 0, output.get("output_tokens") or 0
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + written,
    }


def output_items(response: Response, output: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List what a response came to: the search, if there was one, and the message."""
    generation = output.get("generation", 0)
    content = text_part(output["text"], output["citations"])
    status = "incomplete" if output["finish_reason"] in _ENDED_EARLY else "completed"
    message = message_item(response, generation, status, [content])
    search = [search_item(response, "completed")] if searches(response) else []
    return [*search, message]


def searches(response: Response) -> bool:
    """Whether a response uses its tool, which looks for passages."""
    return bool(response.options.get("tools")) and response.options.get("tool_choice") != "none"


def search_item(response: Response, status: str) -> dict[str, Any]:
    """Show the search for passages."""
    return {
        "id": f"fs_{response.pk.hex}",
        "type": "file_search_call",
        "status": status,
        "queries": [item["text"] for item in response.items if item["role"] == "user"][-1:],
        "results": None,
    }


def input_item(response: Response, number: int) -> dict[str, Any]:
    """Show one message of what was said."""
    item = response.items[number]
    return {
        "id": f"msg_{response.pk.hex}_{number}",
        "type": "message",
        "status": "completed",
        "role": item["role"],
        "content": [{"type": "input_text", "text": item["text"]}],
    }


def message_item(
    response: Response, generation: int, status: str, content: Sequence[Any]
) -> dict[str, Any]:
    """Show a message of the model's; each beginning of a text is one of its own."""
    return {
        "id": f"msg_{response.pk.hex}{generation or ''}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": list(content),
    }


def listed(items: Sequence[Mapping[str, Any]], *, has_more: bool = False) -> dict[str, Any]:
    """Show a part of a list."""
    return {
        "object": "list",
        "data": items,
        "first_id": items[0]["id"] if items else None,
        "last_id": items[-1]["id"] if items else None,
        "has_more": has_more,
    }


def text_part(text: str, citations: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Show a text, with the documents that it names where it names them."""
    cited = {row["number"]: row for row in citations}
    annotations = [
        {
            "type": "file_citation",
            "file_id": f"file_{row['document_id'].replace('-', '')}",
            # A citation of before the names were kept has a title only.
            "filename": row.get("name") or row["title"],
            "index": mark.start(),
        }
        for mark in CITATION.finditer(text)
        if (row := cited.get(int(mark[1])))
    ]
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}
