"""The events of a response, each with a number that every reading of it gives the same event.

OpenAI's package may read a stream from its beginning and pass over what it has had, by number. So
numbers are reckoned from what is told, and not from when: the beginning, then each beginning of the
text with its characters, cut at fixed places, then the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api.contracts.openai.shapes import (
    Standing,
    message_item,
    output_items,
    response_body,
    search_item,
    searches,
    standing_of,
    text_part,
)
from pipelines.chat.pipeline import RETRIEVE
from pipelines.jobs.log import Log
from pipelines.jobs.states import FINAL, JobState
from pipelines.responses.models import Response

# More than one beginning of a text has events.
_STRIDE = 10_000_000
# Of each beginning: the numbers before its first piece of text.
_PRELUDE = 16
# Characters of a piece.
_PIECE = 4
NOTHING = -1


@dataclass(frozen=True)
class Event:
    """One event."""

    number: int
    kind: str
    body: dict[str, Any]

    def encoded(self) -> bytes:
        """Write it as a server-sent event."""
        body = {"type": self.kind, "sequence_number": self.number, **self.body}
        return f"event: {self.kind}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


@dataclass(frozen=True)
class View:
    """What is known of a response at one moment: what was asked, the job's log, the newest text.

    A log without lines is that of a job which the response has outlived.
    """

    response: Response
    log: Log
    text: str

    @property
    def standing(self) -> Standing:
        """How it stands."""
        return Standing(self.log.state, self.log.output, self.log.error)

    @property
    def is_whole(self) -> bool:
        """Whether the newest text has ended well."""
        return self.log.output is not None or any(line.ends_text for line in self.log.lines)

    @property
    def generation(self) -> int:
        """How often the text has begun afresh."""
        return self.log.generation or (self.log.output or {}).get("generation", 0)

    @property
    def has_begun(self) -> bool:
        """Whether a worker has taken it."""
        return bool(self.log.lines) or self.log.state != JobState.QUEUED

    @property
    def has_searched(self) -> bool:
        """Whether the passages were found."""
        if self.log.output is not None:
            return True
        done = ("step.completed", RETRIEVE.name)
        return any((line.kind, line.step) == done for line in self.log.lines)


def view_of_kept(response: Response) -> View:
    """View a response whose job is gone, by what is kept of it."""
    standing = standing_of(response)
    log = Log(response.pk, standing.state, response.created_at, (), output=standing.output)
    return View(response, log, response.reply)


def events_since(view: View, after: int) -> Iterator[Event]:
    """Yield what a reader has not had who has had the event `after`; all from NOTHING."""
    return (event for event in _events(view, after) if event.number > after)


def _events(view: View, after: int) -> Iterator[Event]:
    if after < _PRELUDE:
        yield from _opening(view)
    generation = view.generation
    for earlier in range(generation):
        yield from _given_up(view, earlier)
    if view.text or view.is_whole:
        yield from _message(view, generation, after)
    if view.log.state in FINAL and view.log.has_ended:
        yield from _end(view, generation)


def _opening(view: View) -> Iterator[Event]:
    queued = response_body(view.response, Standing(JobState.QUEUED))
    begun = response_body(view.response, Standing(JobState.IN_PROGRESS))
    first = queued if view.response.is_background else begun
    yield Event(0, "response.created", {"response": first})
    if view.response.is_background:
        yield Event(1, "response.queued", {"response": queued})
    if not view.has_begun:
        return
    yield Event(2, "response.in_progress", {"response": begun})
    if searches(view.response):
        yield from _search(view)


def _search(view: View) -> Iterator[Event]:
    begun = search_item(view.response, "in_progress")
    told = {"output_index": 0, "item_id": begun["id"]}
    yield Event(3, "response.output_item.added", {"output_index": 0, "item": begun})
    yield Event(4, "response.file_search_call.in_progress", told)
    yield Event(5, "response.file_search_call.searching", told)
    if view.has_searched:
        done = search_item(view.response, "completed")
        yield Event(6, "response.file_search_call.completed", told)
        yield Event(7, "response.output_item.done", {"output_index": 0, "item": done})


def _index(view: View, generation: int) -> int:
    return generation + searches(view.response)


def _given_up(view: View, generation: int) -> Iterator[Event]:
    """Tell of a beginning of the text that another one took the place of."""
    index = _index(view, generation)
    begun = message_item(view.response, generation, "in_progress", [])
    void = message_item(view.response, generation, "incomplete", [])
    number = generation * _STRIDE
    yield Event(
        number + _PRELUDE - 2, "response.output_item.added", {"output_index": index, "item": begun}
    )
    yield Event(
        number + _STRIDE, "response.output_item.done", {"output_index": index, "item": void}
    )


def _message(view: View, generation: int, after: int) -> Iterator[Event]:
    number, item = (
        generation * _STRIDE + _PRELUDE,
        message_item(view.response, generation, "in_progress", []),
    )
    told = {
        "output_index": _index(view, generation),
        "item_id": item["id"],
        "content_index": 0,
    }
    yield Event(
        number - 2,
        "response.output_item.added",
        {"output_index": told["output_index"], "item": item},
    )
    yield Event(number - 1, "response.content_part.added", {**told, "part": text_part("")})
    pieces = len(view.text) // _PIECE
    for piece in range(max(0, after + 1 - number), pieces):
        delta = view.text[piece * _PIECE : (piece + 1) * _PIECE]
        yield _delta(number + piece, told, delta)
    if not view.is_whole:
        return
    if rest := view.text[pieces * _PIECE :]:
        yield _delta(number + pieces, told, rest)
    if view.log.output is not None:
        yield from _message_end(view, number + pieces + 1, told)


def _delta(number: int, told: dict[str, Any], text: str) -> Event:
    return Event(number, "response.output_text.delta", {**told, "delta": text, "logprobs": []})


def _message_end(view: View, number: int, told: dict[str, Any]) -> Iterator[Event]:
    assert view.log.output is not None
    item = output_items(view.response, view.log.output)[-1]
    [part] = item["content"]
    yield Event(number, "response.output_text.done", {**told, "text": part["text"], "logprobs": []})
    yield Event(number + 1, "response.content_part.done", {**told, "part": part})
    yield Event(
        number + 2,
        "response.output_item.done",
        {"output_index": told["output_index"], "item": item},
    )


def _end(view: View, generation: int) -> Iterator[Event]:
    """Tell how it ended; OpenAI has no event for a cancellation, its stream just ends."""
    standing = view.standing
    if standing.state == JobState.CANCELLED:
        return
    pieces = len(view.text) // _PIECE
    number = generation * _STRIDE + _PRELUDE + pieces + 4
    body = response_body(view.response, standing)
    yield Event(number, f"response.{standing.status}", {"response": body})
