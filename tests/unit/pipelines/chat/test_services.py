"""Turns: accepted whole or not at all, in the order in which they came."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from pipelines.accounts.models import User
from pipelines.chat.models import Conversation, Message
from pipelines.chat.selectors import turn_context
from pipelines.chat.services import (
    conversation_delete,
    reply_record,
    turn_accept,
    wants_report,
)
from pipelines.core.errors import InvalidInput, MessageTooLarge, NotFound
from pipelines.jobs.models import Job, JobStep
from pipelines.knowledge.models import Collection, Document


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create(username="ada", email="ada@example.com")


def _nothing_written() -> bool:
    return not (Job.objects.exists() or Message.objects.exists() or Conversation.objects.exists())


def test_a_turn_writes_message_and_job_together(owner: User) -> None:
    turn = turn_accept(owner=owner, message="What is a lease?", metadata={"k": "v"})

    assert (turn.message.position, turn.message.role) == (0, "user")
    assert turn.message.job == turn.job
    assert turn.job.input == {
        "conversation_id": str(turn.conversation.pk),
        "message_id": str(turn.message.pk),
        "collections": [],
        "provider": "sandbox",
        "model": "",
        "pinned": False,
    }
    assert turn.job.metadata == {"k": "v"}
    assert turn.conversation.title == "What is a lease?"


def test_without_knowledge_nothing_is_retrieved(owner: User) -> None:
    turn = turn_accept(owner=owner, message="hello")

    assert list(turn.job.steps.values_list("name", flat=True)) == ["chat.generate", "chat.finish"]


def _ready_document(owner: User | None, name: str) -> Collection:
    collection = Collection.objects.create(owner=owner, name=name)
    Document.objects.create(
        collection=collection,
        state="ready",
        name="a.md",
        media_type="text/markdown",
        size=1,
        sha256="",
        content=b"x",
    )
    return collection


def test_the_scope_is_the_own_collections_and_the_houses(owner: User) -> None:
    own, house = _ready_document(owner, "mine"), _ready_document(None, "house")
    _ready_document(User.objects.create(username="eve"), "hers")

    turn = turn_accept(owner=owner, message="hello")

    assert set(turn.job.input["collections"]) == {str(own.pk), str(house.pk)}
    assert turn.job.steps.first().name == "chat.retrieve"  # type: ignore[union-attr]


def test_anothers_collection_cannot_be_named(owner: User) -> None:
    hers = _ready_document(User.objects.create(username="eve"), "hers")

    with pytest.raises(NotFound):
        turn_accept(owner=owner, message="hello", collections=[hers.pk])

    assert _nothing_written()


def test_anothers_conversation_does_not_exist(owner: User) -> None:
    hers = Conversation.objects.create(owner=User.objects.create(username="eve"))

    for unknown in (hers.pk, uuid4()):
        with pytest.raises(NotFound, match="There is no such conversation"):
            turn_accept(owner=owner, message="hello", conversation_id=unknown)

    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("message", "code"),
    [("", "empty"), (" \n\t", "empty"), ("a\0b", "nul_byte"), ("\ud800", "not_utf8")],
)
def test_a_message_that_cannot_be_kept_is_refused_with_its_code(
    owner: User, message: str, code: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        turn_accept(owner=owner, message=message)

    assert (refused.value.error_code, refused.value.field) == (code, "message")
    assert _nothing_written()


def test_a_message_may_be_as_long_as_its_limit(owner: User, settings: Settings) -> None:
    settings.MESSAGE_MAX_CHARACTERS = 10

    turn_accept(owner=owner, message="x" * 10)
    with pytest.raises(MessageTooLarge, match="at most 10 characters"):
        turn_accept(owner=owner, message="x" * 11)

    assert Message.objects.count() == 1


def test_metadata_may_be_as_large_as_its_limit(owner: User, settings: Settings) -> None:
    settings.METADATA_MAX_BYTES = 12

    turn_accept(owner=owner, message="x", metadata={"k": "v12"})
    with pytest.raises(MessageTooLarge):
        turn_accept(owner=owner, message="x", metadata={"k": "v123"})


def test_an_unknown_provider_is_refused(owner: User) -> None:
    with pytest.raises(InvalidInput, match="one of: sandbox"):
        turn_accept(owner=owner, message="hello", provider="acme")

    assert _nothing_written()


def test_a_preferred_model_goes_with_its_provider(owner: User) -> None:
    owner.preferences = {"provider": "sandbox", "model": "sandbox-2"}
    assert turn_accept(owner=owner, message="hello").job.input["model"] == "sandbox-2"

    owner.preferences = {"provider": "gone", "model": "gone-1"}
    job = turn_accept(owner=owner, message="hello").job
    assert (job.input["provider"], job.input["model"]) == ("sandbox", "")


@pytest.mark.parametrize(
    ("named", "pinned"),
    [({}, False), ({"provider": "sandbox"}, True), ({"model": "sandbox-2"}, True)],
)
def test_what_the_request_names_itself_is_pinned(
    owner: User, named: dict[str, Any], pinned: bool
) -> None:
    owner.preferences = {"provider": "sandbox", "model": "sandbox-3"}

    assert turn_accept(owner=owner, message="hello", **named).job.input["pinned"] is pinned


def test_a_second_turn_waits_for_the_first(owner: User) -> None:
    first = turn_accept(owner=owner, message="one")

    second = turn_accept(owner=owner, message="two", conversation_id=first.conversation.pk)

    assert second.message.position == 2
    step = second.job.steps.first()
    assert step is not None
    assert (step.ready_at, step.reason) == (None, "waits for the one before it")


def test_a_reply_takes_the_position_kept_for_it(owner: User) -> None:
    turn = turn_accept(owner=owner, message="one")
    turn_accept(owner=owner, message="two", conversation_id=turn.conversation.pk)

    reply = reply_record(
        question=turn.message,
        content="1",
        citations=[],
        provider="sandbox",
        model="m",
        input_tokens=1,
        output_tokens=1,
    )

    lines = list(Message.objects.values_list("position", "role", "content"))
    assert reply.position == 1
    assert lines == [(0, "user", "one"), (1, "assistant", "1"), (2, "user", "two")]


def test_deleting_a_conversation_ends_its_jobs(owner: User) -> None:
    turn = turn_accept(owner=owner, message="one")
    turn_accept(owner=owner, message="two", conversation_id=turn.conversation.pk)

    conversation_delete(conversation=turn.conversation)

    assert set(Job.objects.values_list("state", flat=True)) == {"cancelled"}
    assert not JobStep.objects.filter(state__in=["queued", "in_progress"]).exists()
    assert not Message.objects.exists()


def _talk(owner: User, count: int) -> Message:
    conversation = Conversation.objects.create(owner=owner, next_position=count)
    rows = Message.objects.bulk_create(
        Message(
            conversation=conversation,
            role="assistant" if number % 2 else "user",
            content=f"message {number}",
            position=number,
        )
        for number in range(count)
    )
    return rows[-1]


@pytest.mark.parametrize("count", [50, 10_000])
def test_the_context_is_the_end_of_the_conversation_whatever_its_length(
    owner: User, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    settings.CONTEXT_MAX_MESSAGES = 20
    last = _talk(owner, count)

    with django_assert_num_queries(1):
        lines = turn_context(last)

    assert [line.content for line in lines] == [f"message {n}" for n in range(count - 20, count)]


def test_the_context_is_bounded_in_characters_and_always_holds_the_question(
    owner: User, settings: Settings
) -> None:
    settings.CONTEXT_MAX_CHARACTERS = 20
    last = _talk(owner, 10)

    assert [line.content for line in turn_context(last)] == ["message 8", "message 9"]
    settings.CONTEXT_MAX_CHARACTERS = 1
    assert [line.content for line in turn_context(last)] == ["message 9"]


def test_the_context_ends_with_the_question_though_later_ones_wait(owner: User) -> None:
    first = turn_accept(owner=owner, message="one")
    turn_accept(owner=owner, message="two", conversation_id=first.conversation.pk)

    assert [line.content for line in turn_context(first.message)] == ["one"]


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("Here is the FINALIZED ai roadmap.", True),
        ("the finalized\nAI   roadmap", True),
        ("a finalized roadmap", False),
        ("", False),
    ],
)
def test_a_trigger_phrase_asks_for_a_report(reply: str, wanted: bool) -> None:
    assert wants_report(reply) is wanted
