"""Responses: said in a conversation, after another response, or by themselves."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from pytest_django import Settings

from pipelines.accounts.models import User
from pipelines.chat.models import Message, Role
from pipelines.chat.services import conversation_create, turn_accept
from pipelines.core.errors import Conflict, InvalidInput, NotFound, PermanentError
from pipelines.credits.models import Balance
from pipelines.credits.services import credits_grant
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_end
from pipelines.jobs.states import JobState
from pipelines.responses.models import Response
from pipelines.responses.selectors import (
    question_text,
    response_context,
    response_get,
    response_of_job,
)
from pipelines.responses.services import (
    Asked,
    ContextTooLong,
    Said,
    answer_record,
    response_accept,
    response_delete,
)
from pipelines.webhooks.models import Delivery
from pipelines.webhooks.services import endpoint_create
from tests.factories import CollectionFactory, DocumentFactory, UserFactory

ANSWER = {
    "provider": "sandbox",
    "model": "sandbox-1",
    "finish_reason": "stop",
    "input_tokens": 3,
    "output_tokens": 5,
}


@pytest.fixture
def owner(db: None) -> User:
    return UserFactory.create()


def ask(owner: User, *said: str, **fields: Any) -> Response:
    given = tuple(Said(Role.USER, text) for text in said or ("Who pays?",))
    return response_accept(owner=owner, asked=Asked(said=given, model="sandbox-1", **fields))


def answer(response: Response, text: str) -> Response:
    """Let a response be answered."""
    answer_record(response=response, text=text, citations=[], answer=ANSWER)
    assert response.job is not None
    Job.objects.filter(pk=response.job.pk).update(state=JobState.COMPLETED)
    response.refresh_from_db()
    return response


def read(response: Response) -> list[tuple[str, str]]:
    found = response_context(response_of_job(response.pk))
    return [(line.role, line.content) for line in found]


def test_one_by_itself_is_a_job_without_a_lane(owner: User) -> None:
    response = ask(owner, "Who pays?", instructions="Be brief.", metadata={"mine": "1"})

    job = response.job
    assert job is not None
    assert (job.kind, job.ordering_key, job.metadata) == ("responses.response", "", {"mine": "1"})
    assert list(job.steps.values_list("name", flat=True)) == ["chat.generate", "responses.finish"]
    assert job.input == {
        "response_id": str(response.pk),
        "collections": [],
        "provider": "sandbox",
        "model": "",
        "pinned": True,
        "asked_characters": len("Who pays?Be brief."),
    }
    assert response.public_id == f"resp_{response.pk.hex}"
    assert (response.root, response.depth) == (response.pk, 0)
    assert read(response) == [("user", "Who pays?")]
    assert not Message.objects.exists()


def test_one_that_follows_others_reads_them(owner: User) -> None:
    first = answer(ask(owner, "Who pays?"), "The carter.")
    second = answer(ask(owner, "How much?", previous=first.pk), "Four ducats.")
    fork = answer(ask(owner, "Since when?", previous=first.pk), "Since 1750.")
    third = ask(owner, "To whom?", previous=second.pk)

    assert [one.root for one in (second, fork, third)] == [first.pk] * 3
    assert read(third) == [
        ("user", "Who pays?"),
        ("assistant", "The carter."),
        ("user", "How much?"),
        ("assistant", "Four ducats."),
        ("user", "To whom?"),
    ]


def test_the_context_is_bounded(owner: User, settings: Settings) -> None:
    settings.CONTEXT_MAX_MESSAGES = 3
    first = answer(ask(owner, "Who pays?"), "The carter.")
    second = answer(ask(owner, "How much?", previous=first.pk), "Four ducats.")
    third = ask(owner, "To whom?", previous=second.pk)
    assert [text for _, text in read(third)] == ["How much?", "Four ducats.", "To whom?"]
    settings.CONTEXT_MAX_CHARACTERS = len("Four ducats.To whom?")
    assert [text for _, text in read(third)] == ["Four ducats.", "To whom?"]


def test_what_is_said_at_once_is_read_whole(owner: User, settings: Settings) -> None:
    settings.CONTEXT_MAX_MESSAGES = settings.CONTEXT_MAX_CHARACTERS = 2
    settings.INPUT_MAX_CHARACTERS, settings.INPUT_MAX_ITEMS = 15, 3
    conversation = conversation_create(owner=owner)
    said = ("Three", "whole", "lines")
    answer(ask(owner, "x", conversation=conversation.pk), "y")
    for fields in ({}, {"conversation": conversation.pk}):
        response = ask(owner, *said, **fields)
        assert [text for _, text in read(response)] == list(said)


def test_what_is_said_at_length_is_reserved_for(owner: User, settings: Settings) -> None:
    settings.CREDITS_MODE, settings.CREDITS_PER_1K_INPUT_TOKENS = "usage", 1_000
    settings.CONTEXT_MAX_CHARACTERS = settings.MESSAGE_MAX_CHARACTERS = 1
    credits_grant(owner=owner, amount=10**9)

    def held() -> int:
        return Balance.objects.get(owner=owner).held

    ask(owner, "x")
    short = held()
    ask(owner, "x" * 1_000, instructions="brief")
    # The other's question is the one character that a context holds.
    assert held() - short == short + 1_000 + len("brief") - 1


def test_one_that_was_deleted_is_read_no_more(owner: User) -> None:
    first = answer(ask(owner, "Who pays?"), "The carter.")
    second = answer(ask(owner, "How much?", previous=first.pk), "Four ducats.")
    third = ask(owner, "To whom?", previous=second.pk)

    response_delete(response=first)
    assert [text for _, text in read(third)] == ["How much?", "Four ducats.", "To whom?"]
    response_delete(response=second)
    assert [text for _, text in read(third)] == ["To whom?"]


def test_one_whose_job_is_gone_can_be_followed(owner: User) -> None:
    first = answer(ask(owner, "Who pays?"), "The carter.")
    Job.objects.all().delete()
    second = ask(owner, "How much?", previous=first.pk)
    assert [text for _, text in read(second)] == ["Who pays?", "The carter.", "How much?"]


def test_one_in_a_conversation_takes_its_place_there(owner: User) -> None:
    conversation = conversation_create(owner=owner)
    first = ask(owner, "Hello", "Who pays?", conversation=conversation.pk)
    turn = turn_accept(owner=owner, message="And why?", conversation_id=conversation.pk)

    answer(first, "The carter.")

    said = Message.objects.order_by("position").values_list("position", "role", "content")
    assert list(said) == [
        (0, "user", "Hello"),
        (1, "user", "Who pays?"),
        (2, "assistant", "The carter."),
        (3, "user", "And why?"),
    ]
    assert first.job is not None
    assert first.job.ordering_key == turn.job.ordering_key
    assert turn.job.waits_for == "lane"
    assert read(first) == [("user", "Hello"), ("user", "Who pays?")]


def test_passages_are_looked_for_where_it_says(owner: User) -> None:
    document = DocumentFactory.create(collection=CollectionFactory.create(owner=owner))
    response = ask(
        owner, "Hello", "Who pays?", has_retrieval=True, collections=[document.collection_id]
    )
    assert response.job is not None
    assert response.job.input["collections"] == [str(document.collection_id)]
    assert response.job.steps.first().name == "chat.retrieve"  # type: ignore[union-attr]
    assert question_text(response) == "Who pays?"


@pytest.mark.parametrize(
    ("said", "fields", "code"),
    [
        ((" ",), {}, "empty"),
        (("x" * 11,), {}, "context_length_exceeded"),
        (("x" * 6,), {"instructions": "y" * 5}, "context_length_exceeded"),
        (("x", "y", "z"), {}, "context_length_exceeded"),
        (("Hello",), {"conversation": UUID(int=1), "previous": UUID(int=1)}, "mutually_exclusive"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    owner: User, settings: Settings, said: tuple[str, ...], fields: dict[str, Any], code: str
) -> None:
    settings.INPUT_MAX_CHARACTERS, settings.INPUT_MAX_ITEMS = 10, 2
    with pytest.raises((InvalidInput, ContextTooLong)) as refusal:
        ask(owner, *said, **fields)
    assert refusal.value.error_code == code
    assert not Job.objects.exists()
    assert not Response.objects.exists()


@pytest.mark.parametrize("name", ["previous", "conversation"])
def test_anothers_is_as_one_that_does_not_exist(owner: User, name: str) -> None:
    stranger = UserFactory.create()
    place = {
        "previous": lambda: answer(ask(stranger), "The carter.").pk,
        "conversation": lambda: conversation_create(owner=stranger).pk,
    }[name]()
    with pytest.raises(NotFound):
        ask(owner, **{name: place})
    assert not Response.objects.filter(owner=owner).exists()


def test_one_that_was_not_answered_is_followed_by_none(owner: User) -> None:
    first = ask(owner)
    with pytest.raises(Conflict) as refusal:
        ask(owner, previous=first.pk)
    assert refusal.value.error_code == "not_answered"


def test_one_that_is_not_stored_cannot_be_asked_for(owner: User) -> None:
    response = ask(owner, is_stored=False)
    with pytest.raises(NotFound):
        response_get(owner, response.pk)


def test_a_deletion_cancels_what_is_under_way(owner: User) -> None:
    response = ask(owner)
    job = response.job
    assert job is not None
    response_delete(response=response)
    assert Job.objects.get(pk=job.pk).state == "cancelled"


def test_it_is_paid_for_as_any_turn(owner: User, settings: Settings) -> None:
    settings.CREDITS_MODE, settings.CREDITS_PER_TURN = "flat", 4
    credits_grant(owner=owner, amount=10)

    response = ask(owner)

    assert owner.entries.get(kind="reserve").amount == -4
    response_delete(response=response)
    assert owner.entries.filter(kind="release").count() == 1


@pytest.mark.parametrize(
    ("state", "reason", "kind"),
    [
        (JobState.COMPLETED, "stop", "response.completed"),
        (JobState.COMPLETED, "length", "response.incomplete"),
        (JobState.CANCELLED, "", "response.cancelled"),
        (JobState.FAILED, "", "response.failed"),
    ],
)
def test_the_end_of_one_in_the_background_is_told_as_openai_tells_it(
    owner: User, state: JobState, reason: str, kind: str
) -> None:
    endpoint_create(owner=owner, url="https://example.com/", events=[kind])
    response, other = ask(owner, is_background=True), ask(owner)
    for one in (response, other):
        job = one.job
        assert job is not None
        job.state = JobState.IN_PROGRESS
        with transaction.atomic():
            output = {"finish_reason": reason} if reason else None
            error = PermanentError("No.") if state == JobState.FAILED else None
            job_end(job, state, output=output, error=error)

    delivery = Delivery.objects.get()
    assert delivery.type == kind
    assert json.loads(delivery.body)["data"] == {"id": response.public_id}
