"""The Responses protocol: a generation as a response object and as numbered events."""

from __future__ import annotations

from deploy.local.sandbox.generation import Generation
from deploy.local.sandbox.shapes import Json

_AFTER_TEXT = 4  # text done, part done, item done, and the event that ends all


def response_object(generation: Generation, *, state: str = "") -> Json:
    """Write the response as it is, or as it was in an earlier state without output.

    Args:
        generation: Whose response.
        state: `queued` or `in_progress` for a look back; empty for now.
    """
    order = generation.order
    now = state or generation.state
    ended = not state and generation.done
    failed = ended and now == "failed"
    incomplete = ended and now == "incomplete"
    return {
        "id": generation.id,
        "object": "response",
        "created_at": generation.created_at,
        "completed_at": generation.completed_at if now == "completed" else None,
        "status": now,
        "background": order.background,
        "error": _error(generation) if failed else None,
        "incomplete_details": {"reason": generation.outcome.reason} if incomplete else None,
        "instructions": order.instructions,
        "max_output_tokens": order.max_output_tokens,
        "metadata": order.metadata,
        "model": order.model,
        "output": [_item(generation, now)] if ended and not failed and generation.sent else [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(generation) if ended and not failed else None,
    }


def events_known(generation: Generation) -> int:
    """Count the events that have happened so far."""
    if generation.state == "queued":
        return _before_work(generation)
    if generation.state == "cancelled" and not generation.sent:
        return _before_work(generation)
    known = _before_text(generation) + generation.sent
    if generation.state == "failed":
        return known + 1
    return known + (_AFTER_TEXT if generation.state in {"completed", "incomplete"} else 0)


def is_text(generation: Generation, number: int) -> bool:
    """Whether the event of this number is a piece of the text."""
    return 0 <= number - _before_text(generation) < generation.sent


def event(generation: Generation, pieces: list[str], number: int) -> Json:
    """Make the event with one sequence number, the same each time it is asked for.

    Args:
        generation: Whose event.
        pieces: Its `pieces()`, cut once by the caller.
        number: From 0 to `events_known` - 1.
    """
    index = number - _before_text(generation)
    if index < 0:
        body = _opening(generation, number)
    elif index < generation.sent:
        body = {
            "type": "response.output_text.delta",
            **_place(generation),
            "delta": pieces[index],
            "logprobs": [],
        }
    else:
        body = _closing(generation, index - generation.sent)
    return {**body, "sequence_number": number}


def _before_work(generation: Generation) -> int:
    """Count created and, in the background, queued."""
    return 1 + generation.order.background


def _before_text(generation: Generation) -> int:
    """Count also in progress, item added, part added."""
    return _before_work(generation) + 3


def _opening(generation: Generation, number: int) -> Json:
    first = "queued" if generation.order.background else "in_progress"
    before = _before_work(generation)
    if number == 0:
        return _whole("response.created", response_object(generation, state=first))
    if number < before:
        return _whole("response.queued", response_object(generation, state="queued"))
    if number == before:
        return _whole("response.in_progress", response_object(generation, state="in_progress"))
    if number == before + 1:
        item = {**_item(generation, "in_progress"), "content": []}
        return {"type": "response.output_item.added", "output_index": 0, "item": item}
    return {"type": "response.content_part.added", **_place(generation), "part": _part("")}


def _closing(generation: Generation, step: int) -> Json:
    if step == _AFTER_TEXT - 1 or generation.state == "failed":
        return _whole(f"response.{generation.state}", response_object(generation))
    text = generation.text()
    if step == 0:
        name = "response.output_text.done"
        return {"type": name, **_place(generation), "text": text, "logprobs": []}
    if step == 1:
        return {"type": "response.content_part.done", **_place(generation), "part": _part(text)}
    item = _item(generation, generation.state)
    return {"type": "response.output_item.done", "output_index": 0, "item": item}


def _whole(kind: str, response: Json) -> Json:
    return {"type": kind, "response": response}


def _item_id(generation: Generation) -> str:
    return generation.id.replace("resp_", "msg_")


def _place(generation: Generation) -> Json:
    return {"item_id": _item_id(generation), "output_index": 0, "content_index": 0}


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item(generation: Generation, state: str) -> Json:
    return {
        "id": _item_id(generation),
        "type": "message",
        "role": "assistant",
        "status": "incomplete" if state == "cancelled" else state,
        "content": [_part(generation.text())],
    }


def _error(generation: Generation) -> Json:
    return {"code": generation.outcome.reason, "message": "The sandbox failed as it was told to."}


def _usage(generation: Generation) -> Json:
    counted = generation.order.input_tokens
    return {
        "input_tokens": counted,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": generation.sent,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counted + generation.sent,
    }
