"""The events of a response: OpenAI's own types take each, and every reading gives the same."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from api.contracts.openai.events import NOTHING, Event, View, events_since, view_of_kept
from pipelines.jobs.log import RESTARTED, Line, Log
from pipelines.jobs.states import JobState
from pipelines.responses.models import Response

NOW = datetime(2026, 11, 27, tzinfo=UTC)
TEXT = "A turnpike is a toll road [1]."
OUTPUT = {
    "text": TEXT,
    "citations": [
        {
            "number": 1,
            "document_id": str(uuid.UUID(int=7)),
            "name": "roads.md",
            "title": "On roads",
            "position": 0,
        }
    ],
    "finish_reason": "stop",
    "generation": 0,
    "input_tokens": 3,
    "output_tokens": 5,
}
STARTED = Line("step.started", NOW, "chat.generate", 1)
WRITTEN = Line("step.completed", NOW, "chat.generate", 1)
AFRESH = Line(RESTARTED, NOW, "chat.generate", 2)
SEARCH = {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def response(*, is_background: bool = False, **fields: Any) -> Response:
    pk = uuid.UUID(int=1)
    items = [{"role": "user", "text": "What is a turnpike?"}]
    return Response(
        id=pk,
        root=pk,
        created_at=NOW,
        model="sandbox-1",
        items=items,
        is_background=is_background,
        **fields,
    )


def view(
    *lines: Line,
    text: str = "",
    state: JobState = JobState.IN_PROGRESS,
    of: Response | None = None,
    **ended: Any,
) -> View:
    log = Log(uuid.UUID(int=2), state, NOW, lines, **ended)
    return View(of or response(), log, text)


def completed(*before: Line, of: Response | None = None, **output: Any) -> View:
    done = Line("job.completed", NOW)
    return view(
        *(before or (STARTED,)),
        WRITTEN,
        done,
        text=TEXT,
        state=JobState.COMPLETED,
        output={**OUTPUT, **output},
        of=of,
    )


def kinds(events: list[Event]) -> list[str]:
    return [event.kind.removeprefix("response.") for event in events]


def read(shown: View, after: int = NOTHING) -> list[Event]:
    return list(events_since(shown, after))


def text_of(events: list[Event]) -> str:
    return "".join(event.body["delta"] for event in events if "delta" in event.body)


@pytest.mark.parametrize("generation", [0, 2])
def test_one_that_outlived_its_job_is_told_as_before(generation: int) -> None:
    lines = (STARTED, *[AFRESH] * generation)
    kept = response(reply=TEXT, answer={**OUTPUT, "generation": generation}, options=SEARCH)
    retrieved = Line("step.completed", NOW, "chat.retrieve", 1)
    live = read(completed(retrieved, *lines, of=kept, generation=generation))

    assert read(view_of_kept(kept)) == live
    assert read(view_of_kept(kept), live[9].number) == live[10:]


def test_a_whole_response_has_openais_sequence() -> None:
    found = read(completed())

    named = [kind for kind in kinds(found) if kind != "output_text.delta"]
    assert named == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert text_of(found) == TEXT
    numbers = [event.number for event in found]
    assert numbers == sorted(set(numbers))
    [message] = found[-1].body["response"]["output"]
    assert message["content"][0]["annotations"] == [
        {
            "type": "file_citation",
            "file_id": f"file_{uuid.UUID(int=7).hex}",
            "filename": "roads.md",
            "index": TEXT.index("[1]"),
        }
    ]


@pytest.mark.parametrize(
    "shown",
    [
        view(state=JobState.QUEUED, of=response(is_background=True)),
        view(STARTED, text="A turn"),
        completed(),
        completed(of=response(options=SEARCH)),
        completed(STARTED, AFRESH, generation=1),
        completed(finish_reason="length"),
        view(
            STARTED,
            Line("job.failed", NOW),
            state=JobState.FAILED,
            error={"code": "rate_limited", "detail": "Later."},
        ),
    ],
    ids=["queued", "running", "completed", "search", "afresh", "incomplete", "failed"],
)
def test_openais_own_types_take_every_event(shown: View) -> None:
    for event in read(shown):
        body = {"type": event.kind, "sequence_number": event.number, **event.body}
        EVENTS.validate_python(body)


def test_a_background_response_is_queued_first() -> None:
    waits = view(state=JobState.QUEUED, of=response(is_background=True))
    assert kinds(read(waits)) == ["created", "queued"]
    assert read(waits)[0].body["response"]["status"] == "queued"


def test_a_text_that_began_afresh_is_another_message() -> None:
    """Given a reader of the first beginning, it is told that this was void, and reads the other."""
    first = read(view(STARTED, text="A turnpike was "))
    rest = read(completed(STARTED, AFRESH, generation=1), first[-1].number)

    assert kinds(rest)[:3] == ["output_item.done", "output_item.added", "content_part.added"]
    void, added = rest[0].body, rest[1].body
    assert (void["output_index"], void["item"]["status"]) == (0, "incomplete")
    assert added["output_index"] == 1
    assert added["item"]["id"] != void["item"]["id"]
    assert text_of(rest) == TEXT
    assert rest[-1].body["response"]["output"][0]["id"] == added["item"]["id"]


def test_whoever_reads_from_the_beginning_is_given_the_same_numbers() -> None:
    live = read(view(STARTED, text="A turnpike was "))
    live += read(completed(STARTED, AFRESH, generation=1), live[-1].number)
    later = read(completed(STARTED, AFRESH, generation=1))
    told = {event.number: event for event in live}
    assert all(told.get(event.number) == event for event in later)


def test_a_cancelled_one_just_ends() -> None:
    ended = view(STARTED, Line("job.cancelled", NOW), text="A turn", state=JobState.CANCELLED)
    assert kinds(read(ended))[-1] == "output_text.delta"


def test_a_failed_one_says_why() -> None:
    error = {"code": "rate_limited", "detail": "Later."}
    ended = view(STARTED, Line("job.failed", NOW), state=JobState.FAILED, error=error)
    last = read(ended)[-1]
    assert last.kind == "response.failed"
    assert last.body["response"]["error"] == {
        "code": "rate_limit_exceeded",
        "message": "rate_limited: Later.",
    }


def test_one_that_was_cut_short_is_incomplete() -> None:
    last = read(completed(finish_reason="length"))[-1]
    assert last.kind == "response.incomplete"
    assert last.body["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_a_search_is_an_item_of_its_own() -> None:
    shown = completed(of=response(options=SEARCH))
    found = Line("step.completed", NOW, "chat.retrieve", 1)
    shown = View(
        shown.response, Log(**{**vars(shown.log), "lines": (found, *shown.log.lines)}), TEXT
    )
    told = read(shown)
    assert kinds(told)[2:7] == [
        "output_item.added",
        "file_search_call.in_progress",
        "file_search_call.searching",
        "file_search_call.completed",
        "output_item.done",
    ]
    assert [item["type"] for item in told[-1].body["response"]["output"]] == [
        "file_search_call",
        "message",
    ]
    assert {event.body.get("output_index") for event in told if "delta" in event.body} == {1}


@given(st.text(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_however_it_is_read_the_events_are_the_same(text: str, looks: list[int]) -> None:
    """Given looks at a growing text, each from where the last ended, none is lost or doubled."""
    whole = completed()
    whole = View(
        whole.response, Log(**{**vars(whole.log), "output": {**OUTPUT, "text": text}}), text
    )
    live: list[Event] = []
    for size in sorted(looks):
        after = live[-1].number if live else NOTHING
        live += read(view(STARTED, text=text[:size]), after)
    live += read(whole, live[-1].number if live else NOTHING)
    assert live == read(whole)
    assert text_of(live) == text
